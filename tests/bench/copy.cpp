// SPDX-License-Identifier: LGPL-2.1-or-later
/// copy [REPETITIONS]: what copies of NV12 frames cost the GPU, in microseconds, as JSON on stdout.
///
///   driver    a cuMemcpy2DAsync for each plane: what is done without the kernels
///   kernels   one launch for a frame; for 1, 4, 16 and 64 frames together (64: two launches)
///   ratio     kernels / driver for one frame; below 1 the kernels are faster
///   enqueue   what the calls of one frame cost the CPU
///
/// Each figure is the median over REPETITIONS (default 200) of the time between two events, over as
/// many copies back to back as make their overhead small. The GPU starts when all of them are
/// queued, so it never waits for the CPU. Frames are the next in a ring larger than the GPU's
/// cache, as cameras' are. The ways take turns, so that clocks and temperature are the same for
/// all.
///
/// "cameras" says what becomes of frames that several threads copy at once, each on a stream of its
/// own as cudacampool has it: alone, and together where cudacampool would; see copy-together.hpp.
///
/// First of all the kernels copy planes of odd sizes and alignments, which are compared byte for
/// byte; with a second GPU, so is a copy from there.
///
/// It needs a driver and nothing else: neither GStreamer nor the CUDA runtime. On the simulated
/// driver frames are small and figures mean nothing, and it says so.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "copy-exact.hpp"
#include "copy-gpu.hpp"
#include "copy-together.hpp"

#ifdef HAVE_CUDA_KERNELS
extern "C" const unsigned long long cudacam_kernels[];
#endif

const void *cudacam::bench::kernels_of_nvcc() {
#ifdef HAVE_CUDA_KERNELS
  return cudacam_kernels;
#else
  return nullptr;
#endif
}

namespace {

using namespace cudacam::bench;
using cudacam::PlaneCopy;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// One way of copying a number of frames.
struct Way {
  const char *name;
  unsigned frames;
  void (Gpu::*copy)(const std::vector<PlaneCopy> &) const;
  std::vector<double> gpu{};  // microseconds a frame
  std::vector<double> cpu{};
};

void measure_size(const Gpu &gpu, const char *label, Size size, unsigned repetitions, bool real) {
  // About 1 GB of sources and targets: several times the largest cache.
  Ring ring(size, real ? std::max<std::size_t>(64, (std::size_t{1} << 30) / size.bytes() / 2) : 64);
  Way ways[] = {{"driver", 1, &Gpu::by_driver},
                {"kernels-1", 1, &Gpu::by_kernel},
                {"kernels-1-large-table", 1, &Gpu::by_large_table},
                {"kernels-4", 4, &Gpu::by_kernel},
                {"kernels-16", 16, &Gpu::by_kernel},
                {"kernels-64", 64, &Gpu::by_kernel}};
  const unsigned at_once = real ? 64 : 1;  // copies back to back between two events
  for (unsigned i = 0; i < repetitions + repetitions / 10 + 1; ++i) {
    const bool warm = i > repetitions / 10;
    for (auto &way : ways) {
      const auto rounds = std::max(1u, at_once / way.frames);
      std::chrono::duration<double, std::micro> enqueue{};
      const auto time = gpu.measure([&] {
        for (unsigned round = 0; round < rounds; ++round) {
          const auto &planes = ring.next(way.frames);
          const auto start = std::chrono::steady_clock::now();
          (gpu.*way.copy)(planes);
          enqueue += std::chrono::steady_clock::now() - start;
        }
      });
      if (!warm) continue;
      way.gpu.push_back(time / (rounds * way.frames));
      way.cpu.push_back(enqueue.count() / (rounds * way.frames));
    }
  }
  std::printf("  \"%s\": {\n", label);
  for (const auto &way : ways)
    std::printf("    \"%s\": {\"gpu\": %.2f, \"enqueue\": %.2f},\n", way.name, median(way.gpu),
                median(way.cpu));
  std::printf("    \"ratio\": %.3f,\n    \"ratio-16\": %.3f\n  },\n",
              median(ways[1].gpu) / median(ways[0].gpu), median(ways[4].gpu) / median(ways[0].gpu));
}

}  // namespace

int main(int argc, char **argv) {
  try {
    const bool real = dlsym(library(), "nvsim_calls") == nullptr;
    const auto repetitions = static_cast<unsigned>(argc > 1 ? std::atoi(argv[1]) : real ? 200 : 2);
    const Gpu gpu(argc > 2 ? argv[2] : nullptr);
    std::printf("{\n  \"gpu\": \"%s\",\n  \"cuda\": %d,\n", gpu.name().c_str(),
                gpu.driver_version());
    if (!real) std::printf("  \"note\": \"simulated, not a measurement\",\n");
    std::printf("  \"unit\": \"us a frame\",\n  \"repetitions\": %u,\n", repetitions);
    expect_kernels_exact(gpu);
    std::printf("  \"copies\": \"exact\",\n  \"other-gpu\": \"%s\",\n", check_peer(gpu).c_str());
    const unsigned shrink = real ? 1 : 30;
    measure_size(gpu, "1080p", {1920 / shrink, 1080 / shrink}, repetitions, real);
    measure_size(gpu, "4K", {3840 / shrink, 2160 / shrink}, repetitions, real);
    std::printf("  \"cameras\": %s\n", compare_together(gpu, real).c_str());
    std::printf("}\n");
  } catch (const NotHere &missing) {
    std::fprintf(stderr, "skipped: %s\n", missing.what());
    return 77;
  } catch (const std::exception &error) {
    std::fprintf(stderr, "copy: %s\n", error.what());
    return 1;
  }
}
