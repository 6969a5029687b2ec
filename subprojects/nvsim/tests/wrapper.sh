#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# wrapper.sh NVSIM TEST-MEMORY: the wrapper's options, and that Debian's nvcodec registers its elements.
set -eu
nvsim=$1 memory=$2
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
export NVSIM_LOG=none

expect() {
  wanted=$1
  shift
  result=0
  "$@" >"$folder/output" 2>&1 || result=$?
  [ "$result" -eq "$wanted" ] || {
    echo "$* ended with $result instead of $wanted:"
    cat "$folder/output"
    exit 1
  }
}

expect 0 "$nvsim" "$memory" a_double_free_is_refused_and_says_who_was_first
expect 99 "$nvsim" -e "$memory" a_double_free_is_refused_and_says_who_was_first
expect 0 "$nvsim" -e "$memory" what_is_copied_in_comes_out_again
expect 0 "$nvsim" -s "$folder/summary" "$memory" what_is_copied_in_comes_out_again
grep -qx 'calls.cuMemAlloc 1' "$folder/summary"
expect 2 "$nvsim"

gst-inspect-1.0 --exists nvcodec 2>/dev/null || gst-inspect-1.0 nvcodec >/dev/null 2>&1 || {
  echo "no nvcodec plugin installed: its elements are not looked for"
  exit 0
}
for element in cudaupload cudadownload; do expect 0 "$nvsim" gst-inspect-1.0 "$element"; done
# The system's own registry knows nothing of it.
case $("$nvsim" sh -c 'echo $GST_REGISTRY') in
  */cache/registry-*.bin) ;;
  *) echo "no registry of its own" && exit 1 ;;
esac

# One picture through the simulated GPU and back.
run() {
  "$nvsim" -e gst-launch-1.0 -q videotestsrc num-buffers=3 ! video/x-raw,format=NV12 "$@" \
    ! checksumsink hash=sha256 | awk '{ print $2 }'
}
[ "$(run)" = "$(run ! cudaupload ! cudadownload)" ] || {
  echo "frames changed on their way through the GPU"
  exit 1
}
