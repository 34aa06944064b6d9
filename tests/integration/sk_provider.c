/*
 * A FIDO security key in a file, for tests: the middleware that OpenSSH loads by SSH_SK_PROVIDER.
 *
 * ssh-keygen makes keys and signatures with it as with a real one, so that a test sees the bytes that the program itself
 * writes. Nobody is present and nobody is verified: whether it says so is asked for by the environment,
 * SK_FLAGS (default 5: user present and verified). The key handle is the Ed25519 seed itself. Version 10.0 of the interface
 * (OpenSSH 8.9 to 10), described in OpenSSH's PROTOCOL.u2f.
 */
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define VERSION 0x000a0000
#define ED25519 1
#define GENERAL (-1)
#define UNSUPPORTED (-2)

struct enrolled {
	uint8_t flags;
	uint8_t *public_key;
	size_t public_key_len;
	uint8_t *key_handle;
	size_t key_handle_len;
	uint8_t *signature;
	size_t signature_len;
	uint8_t *attestation_cert;
	size_t attestation_cert_len;
	uint8_t *authdata;
	size_t authdata_len;
};

struct signed_by_key {
	uint8_t flags;
	uint32_t counter;
	uint8_t *sig_r;
	size_t sig_r_len;
	uint8_t *sig_s;
	size_t sig_s_len;
};

struct resident;
struct option;

uint32_t sk_api_version(void) { return VERSION; }

int sk_enroll(uint32_t alg, const uint8_t *challenge, size_t challenge_len, const char *application, uint8_t flags,
	      const char *pin, struct option **options, struct enrolled **answer)
{
	(void)challenge, (void)challenge_len, (void)application, (void)pin, (void)options;
	if (alg != ED25519)
		return UNSUPPORTED;
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	struct enrolled *made = calloc(1, sizeof(*made));
	if (key == NULL || made == NULL)
		return GENERAL;
	made->flags = flags;
	made->public_key_len = made->key_handle_len = 32;
	made->public_key = calloc(1, 32);
	made->key_handle = calloc(1, 32);
	if (EVP_PKEY_get_raw_public_key(key, made->public_key, &made->public_key_len) != 1 ||
	    EVP_PKEY_get_raw_private_key(key, made->key_handle, &made->key_handle_len) != 1)
		return GENERAL;
	made->signature_len = made->attestation_cert_len = made->authdata_len = 0;
	EVP_PKEY_free(key);
	*answer = made;
	return 0;
}

int sk_sign(uint32_t alg, const uint8_t *data, size_t data_len, const char *application, const uint8_t *key_handle,
	    size_t key_handle_len, uint8_t flags, const char *pin, struct option **options, struct signed_by_key **answer)
{
	(void)flags, (void)pin, (void)options;
	if (alg != ED25519 || key_handle_len != 32)
		return UNSUPPORTED;
	const char *asked = getenv("SK_FLAGS");
	struct signed_by_key *made = calloc(1, sizeof(*made));
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	made->flags = asked ? (uint8_t)atoi(asked) : 5;
	made->counter = (uint32_t)(now.tv_sec * 10 + now.tv_nsec / 100000000); /* rises by itself */

	uint8_t message[32 + 1 + 4 + 32];
	SHA256((const uint8_t *)application, strlen(application), message);
	message[32] = made->flags;
	for (int byte = 0; byte < 4; byte++)
		message[33 + byte] = (uint8_t)(made->counter >> (24 - 8 * byte));
	SHA256(data, data_len, message + 37);

	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key_handle, 32);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	made->sig_r_len = 64;
	made->sig_r = calloc(1, 64);
	if (key == NULL || context == NULL || EVP_DigestSignInit(context, NULL, NULL, NULL, key) != 1 ||
	    EVP_DigestSign(context, made->sig_r, &made->sig_r_len, message, sizeof(message)) != 1)
		return GENERAL;
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	*answer = made;
	return 0;
}

int sk_load_resident_keys(const char *pin, struct option **options, struct resident ***keys, size_t *count)
{
	(void)pin, (void)options, (void)keys, (void)count;
	return UNSUPPORTED;
}
