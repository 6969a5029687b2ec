#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Installs the build into an empty folder and runs applications against what is there.

check.py MESON BUILD PREFIX PROGRAM... -- COMPILER... -- COMPILER...: a PROGRAM in C or C++ is compiled by
the first or the second COMPILER, with the flags of the installed pkg-config file and without a warning;
one in Python uses the installed typelib. All get a pipeline and a number of frames as arguments. Before
that, the library must export its API and no more, and each header must be enough by itself. TAP on stdout.
"""
import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import tempfile


PIPELINE = 'videotestsrc is-live=true ! video/x-raw,format=NV12 ! cudacampool slots=12 ! cudacamsink name=sink'
FRAMES = '5'
STRICT = {'.c': ['-std=c99', '-Wall', '-Wextra', '-Wpedantic', '-Wc++-compat', '-Werror'],
          '.cpp': ['-std=c++17', '-Wall', '-Wextra', '-Wpedantic', '-Werror']}
API = re.compile('gst_(cuda_cam_|buffer_(add|get)_cuda_cam_)')


def run(command, **options):
    """Whether it ran well; what it printed goes out as TAP comments."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          **options)
    for line in done.stdout.splitlines()[-40:]:
        print('#', line)
    return done.returncode == 0


def install(meson, build, prefix, destination):
    """Returns where the prefix is now, and points pkg-config's file there."""
    subprocess.run([meson, 'install', '-C', build, '--no-rebuild', '--destdir', destination],
                   check=True, stdout=subprocess.DEVNULL)
    root = pathlib.Path(destination) / prefix.lstrip('/')
    for file in root.rglob('gst-cudacam-1.0.pc'):
        file.write_text(re.sub('^prefix=.*', f'prefix={root}', file.read_text(), flags=re.MULTILINE))
    return root


def folder_of(root, pattern):
    found = next(root.rglob(pattern), None)
    return str(found.parent) if found else f'{root}: no {pattern}'


def environment(root, scratch):
    """As the environment is, but with the installed files and a registry of their own."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith('GST_')},
        'GST_PLUGIN_PATH': folder_of(root, 'libgstcudacam.so'),
        'GST_REGISTRY': os.path.join(scratch, 'registry.bin'),
        'LD_LIBRARY_PATH': folder_of(root, 'libgstcudacam-1.0.so.0'),
        'PKG_CONFIG_PATH': folder_of(root, 'gst-cudacam-1.0.pc'),
        'GI_TYPELIB_PATH': folder_of(root, 'GstCudaCam-1.0.typelib'),
        'G_DEBUG': 'fatal-criticals',
    }


def flags_of(root, env):
    """Those of the package; the headers of others are none of our affair."""
    flags = subprocess.run(['pkg-config', '--cflags', '--libs', 'gst-cudacam-1.0'], check=True,
                           stdout=subprocess.PIPE, text=True, env=env).stdout.split()
    return [flag.replace('-I', '-isystem', 1) if flag.startswith('-I/usr/') else flag for flag in flags]


def compiled_program(program, compilers, flags, scratch, env):
    kind = pathlib.Path(program).suffix
    binary = os.path.join(scratch, 'application')
    return (run([*compilers[kind], *STRICT[kind], program, '-o', binary, *flags], env=env) and
            run([binary, PIPELINE, FRAMES], env=env))


def headers_are_enough(root, compilers, flags, scratch, env):
    """Each in C, and all of them in the C++ of long ago."""
    folder = next(root.rglob('gstcudacam.h')).parent
    source = pathlib.Path(scratch) / 'header.c'
    good = True
    for header in sorted(folder.rglob('*.h')):
        source.write_text(f'#include <{header.relative_to(folder)}>\nextern int something;\n')
        good &= run([*compilers['.c'], *STRICT['.c'], '-fsyntax-only', source, *flags], env=env)
    source = source.with_suffix('.cpp')
    source.write_text('#include <gstcudacam.h>\n')
    return good and run([*compilers['.cpp'], *STRICT['.cpp'], '-std=c++11', '-fsyntax-only', source, *flags],
                        env=env)


def exports_its_api_alone(root):
    """What another library could collide with, or an application grow to depend on."""
    library = next(root.rglob('libgstcudacam-1.0.so.0'))
    listed = subprocess.run(['nm', '-D', '--defined-only', library], check=True,
                            stdout=subprocess.PIPE, text=True).stdout
    symbols = [line.split()[-1] for line in listed.splitlines()]
    others = [name for name in symbols if not API.match(name)]
    for name in others:
        print('# not in the API:', name)
    return bool(symbols) and not others


def main():
    in_c = sys.argv.index('--')
    in_cpp = sys.argv.index('--', in_c + 1)
    meson, build, prefix, *programs = sys.argv[1:in_c]
    compilers = {'.c': sys.argv[in_c + 1:in_cpp], '.cpp': sys.argv[in_cpp + 1:]}
    print(f'1..{len(programs) + 2}')
    with tempfile.TemporaryDirectory() as scratch:
        root = install(meson, build, prefix, os.path.join(scratch, 'root'))
        env = environment(root, scratch)
        flags = flags_of(root, env)
        print('ok' if exports_its_api_alone(root) else 'not ok', 1, '- symbols')
        good = headers_are_enough(root, compilers, flags, scratch, env)
        print('ok' if good else 'not ok', 2, '- headers')
        for number, program in enumerate(programs, 3):
            name = os.path.basename(program)
            if not program.endswith('.py'):
                good = compiled_program(program, compilers, flags, scratch, env)
            elif importlib.util.find_spec('gi'):
                good = run([sys.executable, program, PIPELINE, FRAMES], env=env)
            else:
                print('ok', number, '-', name, '# SKIP python3-gi is not installed')
                continue
            print('ok' if good else 'not ok', number, '-', name)


if __name__ == '__main__':
    main()
