# SPDX-License-Identifier: Apache-2.0
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "docker"))
from engine import bridge, engine, own_engine, shared_engine  # noqa: E402,F401  fixtures
from fake_engine import fake  # noqa: E402,F401
from registry import registry  # noqa: E402,F401
