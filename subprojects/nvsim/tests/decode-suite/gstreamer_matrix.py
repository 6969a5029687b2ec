#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""gstreamer_matrix.py h264|h265 LIBRARY_FOLDERS FIELD_STREAMS: Debian's nvcodec decoders against libavcodec's, as TAP.

Streams of many kinds are made with x264 or x265, decoded by each nvcodec decoder that this GStreamer
has and by avdec, and compared frame by frame. LIBRARY_FOLDERS is what LD_LIBRARY_PATH needs for nvsim,
FIELD_STREAMS the program that writes streams with field pictures.
"""

import os
import re
import subprocess
import sys
import tempfile

SECONDS = 120

# Widths are multiples of 4, so that rows have no padding, which nobody sets and the sink would sum up.
MOTION = "pattern=zone-plate kx2=6 ky2=9 kt=3 horizontal-speed=3"
COLOURS = "pattern=smpte horizontal-speed=5"
FLASH = "pattern=blink"


def case(options="", size="164x130", frames=20, source=MOTION, properties="", interlace=""):
    return {"options": options, "size": size, "frames": frames, "source": source,
            "properties": properties, "interlace": interlace}


def hevc(options, size="180x146", **others):
    return case(options, size, **others)  # no NVDEC takes less than 144x144


H264 = {
    "baseline": case("bframes=0:cabac=0:8x8dct=0:weightp=0", properties="tune=zerolatency"),
    "main-cabac": case("bframes=0:8x8dct=0"),
    "main-cavlc": case("bframes=2:cabac=0:8x8dct=0"),
    "high": case("bframes=3:8x8dct=1:b-adapt=0"),
    "one-reference": case("ref=1:bframes=0"),
    "sixteen-references": case("ref=16:bframes=0", frames=40),
    "b-pyramid-strict": case("ref=3:bframes=4:b-pyramid=strict:b-adapt=0", frames=30),
    "b-pyramid-normal": case("ref=5:bframes=7:b-pyramid=normal:b-adapt=0", frames=40),
    "open-gop": case("open-gop=1:bframes=3:keyint=8:b-adapt=0", frames=32),
    "short-gops": case("keyint=3:bframes=1:b-adapt=0"),
    "all-intra": case("keyint=1"),
    "slices": case("slices=5:bframes=2"),
    "slices-by-size": case("slice-max-size=200:bframes=2"),
    "weighted-p": case("weightp=2:bframes=0", source=FLASH),
    "weighted-b": case("weightp=2:weightb=1:bframes=3:b-adapt=0", source=FLASH),
    "temporal-direct": case("direct=temporal:bframes=3:b-adapt=0"),
    "spatial-direct": case("direct=spatial:bframes=3:b-adapt=0"),
    "scaling-lists": case("cqm=jvt:8x8dct=1:bframes=2"),
    "constrained-intra": case("constrained-intra=1:bframes=2"),
    "no-deblocking": case("no-deblock=1:bframes=2"),
    "deblocking-offsets": case("deblock=3,-3:bframes=2"),
    "chroma-qp-offset": case("chroma-qp-offset=-6:bframes=2", source=COLOURS),
    "intra-refresh": case("intra-refresh=1:keyint=10:bframes=0", frames=30),
    "lossy-colours": case("qp=40:bframes=3", source=COLOURS),
    "near-lossless": case("qp=2:bframes=3", source=COLOURS),
    "no-usability-info": case("bframes=3:b-adapt=0", properties="!strip"),
    "mbaff-top-first": case("tff=1:bframes=2:b-adapt=0", size="164x132", interlace="top-field-first"),
    "mbaff-bottom-first": case("bff=1:bframes=2:b-adapt=0", size="164x132", interlace="bottom-field-first"),
    "smallest": case("bframes=2", size="48x16"),
    "narrow": case("bframes=2", size="52x242"),
    "wide": case("bframes=2", size="356x18"),
    "hd": case("bframes=2:ref=4", size="1920x1080", frames=6),
}

H265 = {
    "plain": hevc("bframes=0"),
    "b-frames": hevc("bframes=4:b-adapt=0", frames=30),
    "no-b-pyramid": hevc("bframes=4:b-adapt=0:b-pyramid=0", frames=30),
    "references": hevc("ref=6:bframes=3:b-adapt=0", frames=30),
    "open-gop": hevc("open-gop=1:keyint=8:bframes=3:b-adapt=0", frames=32),
    "short-gops": hevc("open-gop=0:keyint=4:bframes=2:b-adapt=0"),
    "all-intra": hevc("keyint=1"),
    "weighted-p": hevc("weightp=1:bframes=0", source=FLASH),
    "weighted-b": hevc("weightp=1:weightb=1:bframes=3:b-adapt=0", source=FLASH),
    "small-blocks": hevc("ctu=16:bframes=2"),
    "partitions": hevc("rect=1:amp=1:bframes=2"),
    "transform-skip": hevc("tskip=1:bframes=2"),
    "lossless-blocks": hevc("cu-lossless=1:bframes=2"),
    "scaling-lists": hevc("scaling-list=default:bframes=2"),
    "no-sao": hevc("sao=0:bframes=2"),
    "no-deblocking": hevc("deblock=0:bframes=2"),
    "deblocking-offsets": hevc("deblock=2,-2:bframes=2"),
    "chroma-qp-offsets": hevc("cbqpoffs=4:crqpoffs=-4:bframes=2", source=COLOURS),
    "wavefronts": hevc("wpp=1:bframes=2", size="324x258"),
    "no-wavefronts": hevc("wpp=0:bframes=2", size="324x258"),
    "slices": hevc("slices=3:bframes=2", size="324x386"),
    "constrained-intra": hevc("constrained-intra=1:bframes=2"),
    "no-temporal-vectors": hevc("temporal-mvp=0:bframes=2"),
    "no-sign-hiding": hevc("signhide=0:bframes=2"),
    "no-strong-smoothing": hevc("strong-intra-smoothing=0:bframes=2"),
    "temporal-layers": hevc("temporal-layers=1:bframes=3:b-adapt=0", frames=30),
    "smallest": hevc("bframes=2", size="144x144"),
    "odd-size": hevc("bframes=2", size="180x146"),
    "hd": hevc("bframes=2", size="1920x1080", frames=4),
    "ten-bits": hevc("bframes=3:b-adapt=0", properties="!deep"),
    "ten-bits-weighted": hevc("weightp=1:weightb=1:bframes=3", source=FLASH, properties="!deep"),
}

CODECS = {
    "h264": {"cases": H264, "encoder": "x264enc", "parser": "h264parse", "reference": "avdec_h264",
             "decoders": ["nvh264dec", "nvh264sldec"], "media": "video/x-h264"},
    "h265": {"cases": H265, "encoder": "x265enc", "parser": "h265parse", "reference": "avdec_h265",
             "decoders": ["nvh265dec", "nvh265sldec"], "media": "video/x-h265"},
}


# What the plugin itself does wrong where the picture's size changes; an H200 shows the same frames.
QUIRKS = {
    ("1.22", "nvh264dec"): "drops",  # the frames that wait in its parser when it makes a new one
    ("1.22", "nvh265dec"): "drops",
    ("1.22", "nvh265sldec"): "damages",  # decodes into surfaces that old frames gave back too late
}


class Runner:
    """Starts GStreamer's tools, with and without the simulated driver, each with a registry."""

    def __init__(self, folder, libraries):
        self.plain = {**os.environ, "GST_REGISTRY": os.path.join(folder, "plain.bin"),
                      "XDG_RUNTIME_DIR": folder, "NVSIM_LOG": "-"}
        self.plain.pop("LD_LIBRARY_PATH", None)
        self.simulated = {**self.plain, "LD_LIBRARY_PATH": libraries,
                          "GST_REGISTRY": os.path.join(folder, "nvsim.bin")}

    def run(self, words, environment):
        return subprocess.run(words, env=environment, text=True, capture_output=True,
                              timeout=SECONDS, check=False)

    def has(self, element, environment):
        return self.run(["gst-inspect-1.0", "--exists", element], environment).returncode == 0

    def version(self):
        text = self.run(["gst-launch-1.0", "--version"], self.plain).stdout
        return re.search(r"version (\d+\.\d+)", text).group(1)

    def launch(self, pipeline, environment):
        result = self.run(["gst-launch-1.0", "-q", *pipeline.split()], environment)
        if result.returncode != 0:
            raise RuntimeError((result.stdout + result.stderr).strip()[-400:])
        return result


def encode(runner, codec, settings, path):
    deep = "!deep" in settings["properties"]
    width, height = settings["size"].split("x")
    pixels = "I420_10LE" if deep else "I420"
    source = (f"videotestsrc num-buffers={settings['frames']} {settings['source']} ! "
              f"video/x-raw,format={pixels},width={width},height={height},framerate=25/1")
    if settings["interlace"]:
        source += (" ! capssetter caps=video/x-raw,interlace-mode=interleaved,field-order="
                   + settings["interlace"])
    if codec["encoder"] == "x264enc":
        # The element's own properties override the string: those that it would spoil come from it.
        options = dict(item.split("=") for item in settings["options"].split(":"))
        names = {"bframes": "bframes", "cabac": "cabac", "8x8dct": "dct8x8", "weightb": "weightb",
                 "keyint": "key-int-max", "ref": "ref", "intra-refresh": "intra-refresh"}
        properties = " ".join(f"{names[key]}={value}" for key, value in options.items()
                              if key in names)
        quantizer = options.pop("qp", "30")
        rest = ":".join(f"{key}={value}" for key, value in options.items() if key not in names)
        encoder = f"x264enc threads=1 b-adapt=false pass=quant quantizer={quantizer} {properties}"
        encoder += f" option-string={rest}" if rest else ""
    else:
        encoder = (f"x265enc bitrate=300 option-string={settings['options']}:pools=1:"
                   "frame-threads=1:log-level=none:repeat-headers=1")
    extra = " ".join(word for word in settings["properties"].split() if word[0] != "!")
    runner.launch(f"{source} ! {encoder} {extra} ! "
                  f"{codec['media']},stream-format=byte-stream,alignment=au ! "
                  f"filesink location={path}", runner.plain)
    if "!strip" in settings["properties"]:
        strip_usability_info(path)


def strip_usability_info(path):
    """Rewrites each SPS without its VUI, as cameras send it: the frames' order is then not told."""
    with open(path, "rb") as stream:
        units = stream.read().split(b"\0\0\1")
    for number, unit in enumerate(units):
        if number > 0 and unit[0] & 31 == 7:
            body = unit.rstrip(b"\0")
            units[number] = body[:1] + without_vui(body[1:]) + unit[len(body):]
    with open(path, "wb") as stream:
        stream.write(b"\0\0\1".join(units))


def without_vui(payload):
    bits = "".join(f"{byte:08b}" for byte in payload.replace(b"\0\0\3", b"\0\0"))
    position = 24

    def exp_golomb():
        nonlocal position
        zeros = bits.index("1", position) - position
        value = int(bits[position + zeros:position + 2 * zeros + 1], 2) - 1
        position += 2 * zeros + 1
        return value

    def flag():
        nonlocal position
        position += 1
        return bits[position - 1] == "1"

    exp_golomb()
    if payload[0] >= 100:
        assert [exp_golomb() for _ in range(3)] == [1, 0, 0] and not flag() and not flag()
    exp_golomb()
    if exp_golomb() == 0:
        exp_golomb()
    exp_golomb()
    flag()
    exp_golomb(), exp_golomb()
    if not flag():
        flag()
    flag()
    if flag():
        for _ in range(4):
            exp_golomb()
    rest = bits[:position] + "01"
    rest += "0" * (-len(rest) % 8)
    plain = bytes(int(rest[i:i + 8], 2) for i in range(0, len(rest), 8))
    return re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", plain)


def checksums(text):
    return re.findall(r"^[\d:.]+ (\w{64})$", text, re.MULTILINE)


def decode(runner, codec, path, decoder, deep):
    raw = "P010_10LE" if deep else "NV12"
    sink = f"videoconvert dither=none ! video/x-raw,format={raw} ! checksumsink hash=sha256 sync=false"
    if decoder == codec["reference"]:
        middle, environment = decoder, runner.plain
    else:
        middle = f"{decoder} ! video/x-raw(memory:CUDAMemory) ! cudadownload"
        environment = runner.simulated
    result = runner.launch(f"filesrc location={path} ! {codec['parser']} ! {middle} ! {sink}",
                           environment)
    violations = [line for line in result.stderr.splitlines() if "VIOLATION" in line]
    return checksums(result.stdout), violations


def in_order(part, whole):
    rest = iter(whole)
    return all(item in rest for item in part)


def compare(runner, codec, path, deep, decoders):
    """(decoder, passed, what was seen) for each decoder."""
    expected, _ = decode(runner, codec, path, codec["reference"], deep)
    version = runner.version()
    resized = os.path.basename(path) == "resolution-change"
    for decoder in decoders:
        try:
            seen, violations = decode(runner, codec, path, decoder, deep)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            yield decoder, False, [str(error)]
            continue
        same = sum(a == b for a, b in zip(expected, seen))
        passed = 0 < len(expected) == len(seen) == same
        quirk = QUIRKS.get((version, decoder), "") if resized else ""
        if quirk == "drops":
            passed = 0 < len(seen) < len(expected) and in_order(seen, expected)
        elif quirk == "damages":
            passed = len(seen) == len(expected)
        passed = passed and not violations
        yield decoder, passed, [f"reference {len(expected)} decoded {len(seen)} identical {same}",
                                *violations[:3]]


def field_streams(program, folder):
    subprocess.run([program, folder], check=True)
    for name in sorted(os.listdir(folder)):
        if name not in ("single-fields.h264", "lost-fields.h264"):  # of which avdec shows none
            yield name.partition(".")[0], os.path.join(folder, name), False


def streams(runner, codec, folder, field_program):
    """(name, path, deep), made one after the other; path is an exception when that failed."""
    for name, settings in codec["cases"].items():
        path = os.path.join(folder, name)
        try:
            encode(runner, codec, settings, path)
        except RuntimeError as error:
            path = error
        yield name, path, "!deep" in settings["properties"]
    # The picture's size changes on the way, forth and back.
    small, large = (os.path.join(folder, name) for name in ("smallest", "hd"))
    path = os.path.join(folder, "resolution-change")
    with open(path, "wb") as out:
        for part in (small, large, small):
            with open(part, "rb") as stream:
                out.write(stream.read())
    yield "resolution-change", path, False
    if codec is CODECS["h264"]:
        with tempfile.TemporaryDirectory() as fields:
            yield from field_streams(field_program, fields)


def main():
    codec, libraries, field_program = CODECS[sys.argv[1]], sys.argv[2], sys.argv[3]
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(folder, libraries)
        needed = [codec["encoder"], codec["parser"], codec["reference"], "checksumsink"]
        missing = [element for element in needed if not runner.has(element, runner.plain)]
        if missing:
            print(f"1..0 # SKIP GStreamer has no {', '.join(missing)}")
            return
        # From 1.24 on the plain names are the stateless decoders.
        decoders = codec["decoders"] if runner.version() == "1.22" else codec["decoders"][:1]
        absent = [name for name in decoders if not runner.has(name, runner.simulated)]
        if absent:
            print(f"1..1\nnot ok 1 nvcodec registers no {', '.join(absent)} on nvsim")
            return
        count = frames = 0
        for name, path, deep in streams(runner, codec, folder, field_program):
            if isinstance(path, RuntimeError):
                count += 1
                print(f"not ok {count} {name}: not encoded\n# {path}")
                continue
            for decoder, passed, seen in compare(runner, codec, path, deep, decoders):
                count += 1
                print(f"{'ok' if passed else 'not ok'} {count} {decoder} {name}: {seen[0]}")
                for line in seen[1:]:
                    print(f"# {line}")
                frames += int(seen[0].split()[-1]) if passed else 0
                sys.stdout.flush()
        print(f"# {frames} frames identical\n1..{count}")


main()
