"""Kubernetes: what starts work there, which of it needs leave, and how what runs is suspended.

Decides nothing about leave (``app.asking``). Leaves out the server that Kubernetes calls (``hooks.kubernetes``) and HTTP to its
API (``adapters.kubernetes_api``). ``spec/kubernetes.md``.
"""
