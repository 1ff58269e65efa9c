"""Tests that get a process of their own."""

from __future__ import annotations

import os

import pytest

ENGINES = "KIT_TEST_ENGINES"
"""Set for the process in which `tests/baselines/efnet/test_engines.py` runs them."""

in_their_own_process = pytest.mark.skipif(
    ENGINES not in os.environ, reason="test_engines.py runs it in a process of its own"
)
"""A process that exported, ran OpenVINO and onnxruntime and then trains was ended by SIGSEGV
(torch 2.13, openvino 2026.4, onnxruntime 1.32, onnx 1.23), where each alone does well.
"""
