#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads a camera's frames in Python, without copying them: reader.py PIPELINE FRAMES

Prints the mean of the first plane of each frame. The pipeline ends in `cudacamsink name=sink`. Frames in
system memory are read with NumPy, those on a GPU with PyTorch or CuPy. camera_frames.py, beside this, is
what a program of yours would import. Exits with 77 where a module or the library's introspection data are
missing.
"""
import sys

try:
    import numpy
    from camera_frames import GLib, Gst, GstCudaCam, frames, use_primary_context
except (ImportError, ValueError) as missing:
    print(missing, file=sys.stderr)
    sys.exit(77)


def mean_on_gpu(frame):
    try:
        import torch
    except ImportError:
        import cupy
        stream = cupy.cuda.get_current_stream()
        return float(cupy.asarray(frame.planes(stream.ptr or 1)[0]).mean())
    return float(torch.from_dlpack(frame.planes()[0]).float().mean())


def mean(frame):
    plane = frame.planes()[0]
    return mean_on_gpu(frame) if plane.on_gpu else float(numpy.asarray(plane).mean())


def main():
    if len(sys.argv) != 3:
        sys.exit('usage: reader.py PIPELINE FRAMES')
    Gst.init(None)
    try:
        pipeline = Gst.parse_launch(sys.argv[1])
    except GLib.Error as error:
        sys.exit(error.message)
    sink = isinstance(pipeline, Gst.Bin) and pipeline.get_by_name('sink')
    if not isinstance(sink, GstCudaCam.Lender):
        sys.exit('The pipeline needs a cudacamsink name=sink.')
    wanted = int(sys.argv[2])
    if Gst.ElementFactory.find('cudaupload'):  # there is a GPU, and whatever decodes may use it
        use_primary_context(pipeline)
    pipeline.set_state(Gst.State.PLAYING)
    try:
        for number, frame in enumerate(frames(sink, 'reader'), 1):
            print(f'{mean(frame):.1f}')
            if number == wanted:
                break
    except GLib.Error as error:
        sys.exit(error.message)
    except ImportError as missing:
        print(missing, file=sys.stderr)
        sys.exit(77)
    finally:
        pipeline.set_state(Gst.State.NULL)


if __name__ == '__main__':
    main()
