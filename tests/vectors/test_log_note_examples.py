"""The worked examples of the signed-note and cosignature specifications."""

import pytest

from detente.base.errors import Refused
from detente.log.head import parse_checkpoint
from detente.log.note import encode_note, encode_vkey, parse_note, parse_vkey, verify_note
from tests.shared_data import shared


def test_the_example_note_verifies_with_the_example_key():
    """signed-note §Verifier keys, Example: the one signature is the key's."""
    text = shared("tlog/signed-note/example.vkey").read_text("utf-8").strip()
    data = shared("tlog/signed-note/example.note").read_bytes()
    key = parse_vkey(text)
    assert [one.key for one in verify_note(parse_note(data), [key])] == [key]
    assert encode_vkey(key) == text
    assert encode_note(parse_note(data)) == data


def test_the_last_blank_line_parts_text_and_signatures():
    """The poem has a blank line inside its text; it is signed by nobody we know, so it is rejected."""
    key = parse_vkey(shared("tlog/signed-note/example.vkey").read_text("utf-8").strip())
    note = parse_note(shared("tlog/signed-note/format-only.note").read_bytes())
    assert note.text.endswith("sole:\n\ned è subito sera.\n".encode())
    assert [line.name for line in note.signatures] == ["quasimodo.example/salvatore"]
    with pytest.raises(Refused) as refused:
        verify_note(note, [key])
    assert refused.value.rule == "L16"


def test_the_cosignature_example_has_the_documented_shape():
    """tlog-cosignature: the witness line carries 8 bytes of time and 64 of signature, beside the log's own."""
    data = (
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
        "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+"
        "xeMcTOAYQ8=\n"
        "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+"
        "mbIUBkBIfZ+qnA==\n"
    ).encode()
    note = parse_note(data)
    assert parse_checkpoint(note.text).size == 20852163
    assert [len(line.signature) for line in note.signatures] == [64, 72]
    assert int.from_bytes(note.signatures[1].signature[:8], "big") == 1679315147
