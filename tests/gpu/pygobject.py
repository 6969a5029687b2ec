# SPDX-License-Identifier: LGPL-2.1-or-later
"""PyGObject for the GPU host's Python: its sources, from Debian 12, and the headers to compile them there."""
import os
import pathlib
import shutil
import subprocess

# Of Debian 12: compiles for Python 3.6 to 3.13, with the libgirepository-1.0 of both GStreamers.
SUITE = 'bookworm'
TYPELIBS = ['GLib-2.0', 'GObject-2.0', 'GModule-2.0', 'Gio-2.0', 'Gst-1.0']
LIBRARIES = ['libgirepository-1.0.so.1', 'libffi.so.8', 'libgio-2.0.so.0']


def output_of(*words, **more):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True,
                          **more).stdout


def fetch():
    """The unpacked sources, kept in the cache. Raises CalledProcessError, OSError or LookupError."""
    cache = pathlib.Path(os.environ.get('XDG_CACHE_HOME', pathlib.Path.home() / '.cache'),
                         'gst-cudacam/pygobject')
    for there in cache.glob('pygobject-*/gi/gimodule.c'):
        return there.parents[1]
    shutil.rmtree(cache, ignore_errors=True)
    for folder in ('lists/partial', 'archives/partial'):
        (cache / folder).mkdir(parents=True)
    # The mirror is the one that this machine's own apt uses.
    mirror = output_of('apt-get', 'download', '--print-uris', 'base-files').strip("'").partition('/pool/')[0]
    (cache / 'sources.list').write_text(f'deb-src {mirror} {SUITE} main\n')
    apt = ['apt-get', '-q', '-o', f'Dir::Etc::sourcelist={cache}/sources.list', '-o',
           'Dir::Etc::sourceparts=-', '-o', f'Dir::State::lists={cache}/lists', '-o', f'Dir::Cache={cache}',
           '-o', 'Dir::Etc::trustedparts=/usr/share/keyrings']
    output_of(*apt, 'update')
    output_of(*apt, 'source', '--download-only', 'pygobject', cwd=cache)
    (archive,) = cache.glob('pygobject_*.orig.tar.*')
    output_of('tar', 'xf', archive, cwd=cache)
    for there in cache.glob('pygobject-*/gi/gimodule.c'):
        return there.parents[1]
    raise LookupError(f'no sources in {archive}')


def includes(package):
    words = output_of('pkg-config', '--cflags-only-I', package).split()
    return [pathlib.Path(word[2:]) for word in words]


def take(dest, own_typelib, libraries_of):
    """Lays all of it out in `dest`; `libraries_of` tells where a library is. Without the sources, which not every
    mirror has, the rest serves a host that has a PyGObject of its own."""
    typelibs = dest / 'typelibs'
    typelibs.mkdir()
    stock = pathlib.Path(output_of('pkg-config', '--variable=typelibdir',
                                   'gobject-introspection-1.0').strip())
    for path in [*(stock / f'{name}.typelib' for name in TYPELIBS), own_typelib]:
        shutil.copy(path, typelibs)
    for name in LIBRARIES:
        shutil.copy(os.path.realpath(libraries_of(name)), dest / 'lib' / name)

    sources = fetch()
    shutil.copytree(sources / 'gi', dest / 'pygobject/gi')
    shutil.copy(sources / 'COPYING', dest / 'pygobject/gi')
    headers = dest / 'pygobject/include'
    for folder in includes('gobject-introspection-1.0'):
        if folder.name == 'include':  # glibconfig.h
            shutil.copytree(folder, headers, dirs_exist_ok=True)
        elif folder.name in ('glib-2.0', 'gobject-introspection-1.0'):
            shutil.copytree(folder, headers / folder.name)
    for folder in map(pathlib.Path, ('/usr/include/x86_64-linux-gnu', '/usr/include')):
        for name in ('ffi.h', 'ffitarget.h'):
            if (folder / name).exists():
                shutil.copy(folder / name, headers)
    version = sources.name.partition('-')[2].split('.')
    (headers / 'config.h').write_text(''.join(
        f'#define PYGOBJECT_{part}_VERSION {number}\n'
        for part, number in zip(('MAJOR', 'MINOR', 'MICRO'), version)))
