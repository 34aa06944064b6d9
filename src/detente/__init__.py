"""Détente: the brake that AI developers can share."""
