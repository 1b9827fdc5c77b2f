"""The commands. Each is a line or two: what it does stands in the module that it imports."""

from __future__ import annotations

import errno
import functools
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from tito import datasets_error, manifest
from tito.course import Refusal
from tito.manifest import ROOT, ManifestError
