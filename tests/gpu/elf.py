# SPDX-License-Identifier: LGPL-2.1-or-later
"""The libraries that programs load, and those that only have to be there."""
import os
import pathlib
import re
import subprocess
import tempfile

# FFmpeg is built with every codec and filter there is. Its libraries do not load without theirs, of which
# these are called; a stub takes the place of the others, which are larger than all the rest together.
FFMPEG = re.compile(r'lib(avcodec|avformat|avfilter|avdevice)\.so')
CALLED_BY_FFMPEG = re.compile(
    r'lib(av\w+|sw\w+|postproc|x264|x265|vpx|aom|z|va[\w-]*|vdpau|drm|mfx|OpenCL|X\w+)\.so')


def run(*words):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout


def is_elf(path):
    with open(path, 'rb') as file:
        return file.read(4) == b'\x7fELF'


class Search:
    """Finds libraries as the dynamic loader of this machine does."""

    def __init__(self, folders):
        self.folders = [pathlib.Path(folder) for folder in folders]
        self.cached = {}
        for name, path in re.findall(r'^\s(\S+) \(.*x86-64.*\) => (\S+)$', run('/sbin/ldconfig', '-p'), re.M):
            self.cached.setdefault(name, path)

    def find(self, name, wanted_by):
        own = re.findall(r'RU?N?PATH +(\S+)', run('objdump', '-p', wanted_by))
        own = [pathlib.Path(folder.replace('$ORIGIN', os.path.dirname(os.path.realpath(wanted_by))))
               for word in own for folder in word.split(':')]
        for folder in own + self.folders:
            if (folder / name).exists():
                return str(folder / name)
        return self.cached.get(name)


def needed(path):
    return re.findall(r'NEEDED +(\S+)', run('objdump', '-p', path))


def newest(files):
    """Those that need the newest version of each kind (GLIBC, GLIBCXX, ...)."""
    most = {}
    for path in files:
        for kind, version in re.findall(r'(GLIBC|GLIBCXX|CXXABI)_([0-9.]+)', run('objdump', '-p', path)):
            number = tuple(map(int, version.split('.')))
            most[kind] = max(most.get(kind, (number, path)), (number, path))
    return sorted({path for _, path in most.values()})


def closure(files, search, of_the_host):
    """(libraries by name, those that need a stub only) for all of the files."""
    found, stubs, later = {}, {}, []

    def walk(paths, past_ffmpeg):
        paths = list(paths)
        while paths:
            path = paths.pop()
            if FFMPEG.match(os.path.basename(path)) and not past_ffmpeg:
                later.append(path)
                continue
            for name in needed(path):
                if of_the_host.match(name) or name in found:
                    continue
                library = search.find(name, path)
                if not library:
                    raise SystemExit(f'{path} needs {name}, which is not here')
                if FFMPEG.match(os.path.basename(path)) and not CALLED_BY_FFMPEG.match(name):
                    stubs[name] = library
                    continue
                found[name] = library
                paths.append(library)

    walk(files, False)
    walk(later, True)
    return found, {name: path for name, path in stubs.items() if name not in found}


def symbols(path, which):
    """{name: (version, type)} of the dynamic symbols."""
    lines = re.findall(r'^[0-9a-f ]{16} (\w) ([^@\s]+)(?:@@?(\S+))?$', run('nm', '-D', which, path), re.M)
    return {name: (version, kind) for kind, name, version in lines}


def make_stub(library, name, users, target):
    """A library `name` with what the users take of `library`. Its functions end the program."""
    wanted = set().union(*(symbols(user, '--undefined-only') for user in users))
    code, versions = '', {}
    for symbol, (version, kind) in symbols(library, '--defined-only').items():
        if symbol not in wanted or kind == 'A':
            continue
        data = kind in 'BDRVG'
        code += (f'.globl {symbol}\n.type {symbol}, @{"object" if data else "function"}\n'
                 + (f'.bss\n{symbol}: .space 4096\n.size {symbol}, 4096\n' if data else
                    f'.text\n{symbol}: ud2\n'))
        if version:
            versions.setdefault(version, []).append(symbol)
    with tempfile.TemporaryDirectory() as folder:
        source, script = pathlib.Path(folder, 'stub.s'), pathlib.Path(folder, 'versions')
        source.write_text(code + '.section .note.GNU-stack,"",@progbits\n')
        script.write_text(''.join(f'{version} {{ {"; ".join(names)}; }};\n'
                                  for version, names in versions.items()))
        run('g++', '-shared', '-nostdlib', f'-Wl,-soname,{name}', '-o', target, source,
            *([f'-Wl,--version-script={script}'] if versions else []))
