#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Installs the build into an empty folder and runs applications against what is there.

check.py MESON BUILD PREFIX PROGRAM... -- COMPILER...: a PROGRAM in C is compiled with the flags of
the installed pkg-config file, one in Python uses the installed typelib. Before that, the library must
export its API and no more. TAP on stdout.
"""
import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import tempfile


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


def in_c(program, compiler, scratch, env):
    flags = subprocess.run(['pkg-config', '--cflags', '--libs', 'gst-cudacam-1.0'], check=True,
                           stdout=subprocess.PIPE, text=True, env=env).stdout.split()
    binary = os.path.join(scratch, 'application')
    return run([*compiler, '-Wall', program, '-o', binary, *flags], env=env) and run([binary], env=env)


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
    divider = sys.argv.index('--')
    meson, build, prefix, *programs = sys.argv[1:divider]
    compiler = sys.argv[divider + 1:]
    print(f'1..{len(programs) + 1}')
    with tempfile.TemporaryDirectory() as scratch:
        root = install(meson, build, prefix, os.path.join(scratch, 'root'))
        env = environment(root, scratch)
        print('ok' if exports_its_api_alone(root) else 'not ok', 1, '- symbols')
        for number, program in enumerate(programs, 2):
            name = os.path.basename(program)
            if not program.endswith('.py'):
                good = in_c(program, compiler, scratch, env)
            elif importlib.util.find_spec('gi'):
                good = run([sys.executable, program], env=env)
            else:
                print('ok', number, '-', name, '# SKIP python3-gi is not installed')
                continue
            print('ok' if good else 'not ok', number, '-', name)


if __name__ == '__main__':
    main()
