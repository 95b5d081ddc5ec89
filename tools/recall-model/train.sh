#!/usr/bin/env bash
# Trains the recall model: train.sh --out DIR [--minutes M]. Needs requirements.txt installed.
# PYTHON names the interpreter; default python3.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
exec "${PYTHON:-python3}" train.py "$@"
