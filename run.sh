#!/usr/bin/env bash
# The kit's one door. `bash run.sh` lists the verbs; what each one calls stands at the end.
set -euo pipefail

root="$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)"

verbs() { # in the order of the journey
  cat <<'END'
setup        make the environment, .venv; --here: in the active one. Each verb does this when needed
data         make the embedded data set, data/mini; --photographs FOLDER: one of yours; --real: a real one with truth
download     fetch a data set or the authors' weights: highrev|gopro|reblur|weights [--out DIR]
convert      raw events to SCER files, stored voxel grids or raw HDF5: scer|voxel|monash SOURCE OUT
prepare      a store that training reads quickly: [CONFIG.yml] [KEY=VALUE ...] [--part I/N]
import       a recording of your own into data/NAME: RECORDING [--frames FOLDER ...]
train        train the network: [CONFIG.yml] [KEY=VALUE ...]
runs         the trainings: state, time left, best score, where they differ: [NAME] [--csv FILE]
predict      restore a split and write its PNGs: [RUN] [--data DIR] [--weights NAME|list]
fuse         write the mean of several runs as a run of its own: RUN RUN ... --name NAME
export       a trained network as a file for other engines: [RUN|CHECKPOINT|NAME] [--format onnx|openvino|safetensors]
profile      what a baseline takes: MACs, FLOPs, parameters, activations, seconds, memory: [RUN|CHECKPOINT|NAME] [--size WxH]
score        compare predictions with the sharp images, and with `blurry` and `edi`: [FOLDER_OR_ZIP]
weights      get the pretrained networks that LPIPS needs: [--net alex|vgg|all]
leaderboard  all runs in one table: [--csv FILE]
show         frames as every run restored them, side by side: [FRAME]; or of data alone: PATH [FRAME]; --video
submit       check a run, and pack it into a zip for the server
check        every fault of a run or a zip, and how to mend it: FOLDER_OR_ZIP
ledger       what was packed to be sent; RUN_OR_ZIP --psnr X --ssim Y notes the server's figures
rehearse     try a zip on the server at home, as CodaLab and Codabench would score it: ZIP
bundle       for organisers: the bundles that host a challenge: CONFIG.yml --data ROOT, or --lint ZIP
test         the test suite: [--all] [arguments of pytest]; --all takes the slow tests along
lint         ruff and mypy; --fix mends what can be mended
doctor       look at the environment, and say what to do where something is wrong; PATH: at a data set
END
}

usage() {
  echo "usage: bash run.sh VERB [ARGUMENTS]     (bash run.sh VERB --help says more)"
  echo
  verbs | sed 's/^/  /'
  echo
  echo "example: bash run.sh train configs/efnet_highrev_raw.yml data.root=/data/HighREV"
}

fail() {
  echo "error: $1" >&2
  exit "${2:-1}"
}

wants_help() {
  local argument
  for argument in "$@"; do
    case "$argument" in -h | --help) return 0 ;; esac
  done
  return 1
}

# Set `python` to one that holds the kit's packages (and those of the extras): the active
# environment's, the kit's own, or the one on the path.
find_python() {
  local candidate
  for candidate in "${VIRTUAL_ENV:+$VIRTUAL_ENV/bin/python}" \
    "${CONDA_PREFIX:+$CONDA_PREFIX/bin/python}" "$root/.venv/bin/python" \
    "$(command -v python3 || true)" "$(command -v python || true)"; do
    if [ -x "$candidate" ] && "$candidate" "$root/challenge/environment/bootstrap.py" "$@" >/dev/null 2>&1; then
      python="$candidate"
      return 0
    fi
  done
  return 1
}

# Set `python` to any whose version fits, to make an environment with. uv can fetch one.
find_base() {
  local name candidate range
  range="$(sed -n 's/^requires-python = "\(.*\)"/\1/p' "$root/pyproject.toml")"
  for name in python3 python python3.13 python3.12 python3.11 python3.10; do
    candidate="$(command -v "$name" || true)"
    case "$candidate" in "" | "$root/.venv/"*) continue ;; esac
    if "$candidate" "$root/challenge/environment/bootstrap.py" --python >/dev/null 2>&1; then
      python="$candidate"
      return 0
    fi
  done
  if command -v uv >/dev/null && uv python install "$range"; then
    python="$(uv python find --system "$range")"
    return 0
  fi
  fail "no Python on the path fits $range (python3: $(python3 --version 2>&1 || echo 'none')).
  - install one, by your package manager or conda, or install uv; then try again"
}

# Set `python` to one that holds the kit's packages; make the environment if there is none yet.
# The folder stays the caller's, so relative paths in the arguments are the caller's too. The kit is
# found through PYTHONPATH; PYTHONSAFEPATH (which Python 3.10 does not know) and `run_module` keep a
# clone in the caller's folder from taking its place.
need_python() {
  if ! find_python "$@"; then
    find_base
    "$python" "$root/challenge/environment/make_environment.py"
    python="$root/.venv/bin/python"
  fi
  run_module=("$python" "$root/challenge/environment/run_module.py")
  export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" PYTHONSAFEPATH=1
}

setup() {
  if [ $# -eq 0 ] && [ -z "${KIT_TORCH:-}" ] && find_python dev events; then
    echo "nothing to do: $python holds all that the kit needs"
  else
    find_base
    exec "$python" "$root/challenge/environment/make_environment.py" "$@"
  fi
}

run_tests() {
  local marks="not slow" where="$root/tests" before="" argument workers
  for argument in "$@"; do
    shift
    if [ "$argument" = --all ]; then
      marks=""
      continue
    fi
    case "$before" in -k | -m | -n | -p | -o | -W | -c) ;; *) [ ! -e "${argument%%::*}" ] || where="" ;; esac
    before="$argument"
    set -- "$@" "$argument"
  done
  workers="$("$python" -c 'import os
print(min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()))')"
  export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" # the workers share the cores already
  exec "${run_module[@]}" pytest -c "$root/pyproject.toml" --rootdir "$root" -q -n "$workers" \
    -m "$marks" ${where:+"$where"} "$@"
}

lint() {
  cd "$root"
  if [ "${1:-}" = --fix ]; then
    "${run_module[@]}" ruff check --fix .
    "${run_module[@]}" ruff format .
  elif [ $# -gt 0 ]; then
    fail "lint takes --fix or nothing, found: $*" 2
  else
    "${run_module[@]}" ruff check .
    "${run_module[@]}" ruff format --check .
  fi
  exec "${run_module[@]}" mypy
}

doctor() {
  if find_python; then
    [ $# -eq 0 ] || module challenge.commands.doctor "$@" # of a data set
  else
    python="$root/.venv/bin/python"
    [ -x "$python" ] || find_base
  fi
  exec "$python" "$root/challenge/environment/doctor.py" "$@"
}

unknown() {
  local near
  # shellcheck disable=SC2046  # one word for each verb
  near="$(python3 -c 'import difflib, sys
print(*difflib.get_close_matches(sys.argv[1], sys.argv[2:], 1))' \
    "$1" $(verbs | cut -d " " -f 1) 2>/dev/null || true)"
  fail "no verb called $1${near:+; did you mean $near?} (bash run.sh lists them)" 2
}

# Let the C library keep the memory that a network's features took for the next ones, instead of
# giving it back and having every page of it made anew: that took a quarter of the time. Blocks of
# whole frames, beyond 128 MiB, still go back. Other C libraries than glibc do not look at these.
keep_memory() {
  export MALLOC_MMAP_THRESHOLD_="${MALLOC_MMAP_THRESHOLD_:-134217728}"
  export MALLOC_TRIM_THRESHOLD_="${MALLOC_TRIM_THRESHOLD_:-1073741824}"
}

module() {
  need_python
  exec "${run_module[@]}" "$@"
}

verb="${1:-help}"
[ $# -eq 0 ] || shift
case "$verb" in
  help | -h | --help) usage ;;
  setup) setup "$@" ;;
  data) module challenge.commands.data "$@" ;;
  download) module challenge.commands.download "$@" ;;
  convert) module challenge.commands.convert "$@" ;;
  prepare) module baselines.efnet.prepare "$@" ;;
  import) module challenge.commands.import_recording "$@" ;;
  train) keep_memory && module baselines.efnet.train "$@" ;;
  runs) module baselines.efnet.runs "$@" ;;
  predict) keep_memory && module baselines.predict "$@" ;;
  fuse) module challenge.commands.fuse "$@" ;;
  export) module baselines.efnet.export "$@" ;;
  profile) keep_memory && module baselines.profiling "$@" ;;
  score) module baselines.references "$@" ;;
  leaderboard)
    need_python
    if ! wants_help "$@"; then # what was predicted but never scored belongs in the table too
      "${run_module[@]}" baselines.references --all >/dev/null || true
    fi
    exec "${run_module[@]}" leaderboard "$@"
    ;;
  weights) module challenge.commands.weights "$@" ;;
  show) module leaderboard.show "$@" ;;
  submit) module challenge.commands.submit "$@" ;;
  check) module challenge.commands.check "$@" ;;
  ledger) module challenge.commands.ledger "$@" ;;
  rehearse) module challenge.commands.rehearse "$@" ;;
  bundle) module challenge.commands.bundle "$@" ;;
  test | lint)
    if wants_help "$@"; then
      verbs | grep "^$verb "
    else
      need_python dev
      if [ "$verb" = test ]; then run_tests "$@"; else lint "$@"; fi
    fi
    ;;
  doctor) doctor "$@" ;;
  *) unknown "$verb" ;;
esac
