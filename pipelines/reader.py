#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads a camera's frames in Python, without copying them.

reader.py PIPELINE FRAMES: prints the mean of the first plane of each frame. The pipeline ends in
`cudacamsink name=sink`. Planes in system memory are NumPy arrays; planes on the GPU offer
__cuda_array_interface__, which cupy.asarray(), torch.as_tensor() and numba.cuda.as_cuda_array() take.
Exits with 77 where PyGObject, NumPy or the library's introspection data are missing.
"""
import sys

try:
    import gi
    gi.require_version('Gst', '1.0')
    gi.require_version('GstCudaCam', '1.0')
    from gi.repository import GLib, Gst, GstCudaCam
    import numpy
except (ImportError, ValueError) as missing:
    print(missing, file=sys.stderr)
    sys.exit(77)


class Plane:
    """The bytes of one plane, rows x row_bytes. Valid, and never to be written, while its Frame is
    open: arrays made from it must not be used after that."""

    def __init__(self, plane):
        self.on_gpu = plane.on_gpu
        name = '__cuda_array_interface__' if plane.on_gpu else '__array_interface__'
        setattr(self, name, {
            'version': 3,
            'shape': (plane.rows, plane.row_bytes),
            'strides': (plane.pitch, 1),
            'typestr': '|u1',
            # PyTorch refuses arrays that are marked as read-only.
            'data': (plane.address, not plane.on_gpu),
        })


class Frame:
    """A lease, to be used in a `with` statement, which releases it."""

    def __init__(self, lease):
        self._lease = lease

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._lease.release()

    @property
    def planes(self):
        planes = []
        while True:
            found, plane = self._lease.get_plane(len(planes))
            if not found:
                return planes
            planes.append(Plane(plane))


def frames(sink, holder, patience=10 * Gst.SECOND):
    """The newest frame again and again, until none comes for `patience` nanoseconds."""
    while True:
        try:
            yield Frame(GstCudaCam.Lender.acquire(sink, holder, patience))
        except GLib.Error as error:
            print(error.message, file=sys.stderr)
            return


def mean(plane):
    if plane.on_gpu:
        import cupy
        return float(cupy.asarray(plane).mean())
    return float(numpy.asarray(plane).mean())


def main():
    if len(sys.argv) != 3:
        sys.exit('usage: reader.py PIPELINE FRAMES')
    Gst.init(None)
    pipeline = Gst.parse_launch(sys.argv[1])
    wanted = int(sys.argv[2])
    read = 0
    pipeline.set_state(Gst.State.PLAYING)
    for frame in frames(pipeline.get_by_name('sink'), 'reader'):
        with frame:
            print(f'{mean(frame.planes[0]):.1f}')
        read += 1
        if read == wanted:
            break
    pipeline.set_state(Gst.State.NULL)
    sys.exit(read != wanted)


if __name__ == '__main__':
    main()
