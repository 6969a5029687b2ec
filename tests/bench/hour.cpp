// SPDX-License-Identifier: LGPL-2.1-or-later
/// hour [OPTION]...: the GPU's memory while one camera gives an hour's worth of frames (108,000),
/// as fast as they can be decoded, through decoder and cudacampool to a cudacamsink with readers
/// that lease them, copy from them on streams of their own and release them after that. As JSON on
/// stdout, in bytes.
///
///   slot      of one slot, as the driver rounds it: from the frame's layout and the device's
///             allocation granularity, not from what cudacampool says
///   expected  (slots + 1) x slot
///   pool      what cudacampool's statistics say, at the first and the last frame
///   device    what the driver says is in use on the whole GPU, sampled from the first frame to the
///             last: of all processes, so it only means something on a GPU that nobody else uses
///   taken     by how much that rose when a cudacampool of this size was made, without a decoder
///
/// Exit status 1 when the memory is not exactly as expected or changed meanwhile: of the pool, and
/// on the simulated GPU, which nobody else uses, of the device.
#include <gst/gst.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "clip.hpp"
#include "command-line.hpp"
#include "cuda/context.hpp"
#include "gstcudacam.h"
#include "shared-context.hpp"
#include "simulated-gpu.hpp"
#include "statistics.hpp"

namespace {

using namespace cudacam;
using bench::Clip;
using Clock = std::chrono::steady_clock;

constexpr int kFilm = 60;  // frames
constexpr int kSamples = 50;

struct Options {
  int frames = 108000, readers = 3, slots = 6, width = 320, height = 192;
};

ObjectPtr<GstElement> pipeline_of(const std::string &launch) {
  GError *raw_error = nullptr;
  auto pipeline = sink(gst_parse_launch(launch.c_str(), &raw_error));
  if (const ErrorPtr error(raw_error); error) throw std::runtime_error(error->message);
  test::share_context(pipeline.get());
  return pipeline;
}

ObjectPtr<GstElement> element(const ObjectPtr<GstElement> &pipeline, const char *name) {
  return adopt(gst_bin_get_by_name(GST_BIN(pipeline.get()), name));
}

/// The context that the pipelines share.
CudaContextPtr context_of(GstElement *pipeline) {
  GstContext *context = gst_element_get_context(pipeline, GST_CUDA_CONTEXT_TYPE);
  GstCudaContext *cuda = nullptr;
  if (context) {
    gst_structure_get(gst_context_get_structure(context), GST_CUDA_CONTEXT_TYPE,
                      GST_TYPE_CUDA_CONTEXT, &cuda, nullptr);
    gst_context_unref(context);
  }
  if (!cuda) throw std::runtime_error("the pipeline has no CUDA context");
  return CudaContextPtr(cuda);
}

std::uint64_t device_bytes(GstCudaContext *context) {
  const ContextScope scope(context);
  std::size_t free = 0, total = 0;
  driver().cuMemGetInfo(&free, &total);
  return total - free;
}

/// What an allocation that can be shared is rounded to; 0 where the device offers none.
std::uint64_t granularity(GstCudaContext *context) {
  const ContextScope scope(context);
  CUmemAllocationProp wanted{};
  wanted.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  wanted.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
  wanted.location = {CU_MEM_LOCATION_TYPE_DEVICE, device_of(context)};
  std::size_t bytes = 0;
  const auto result = driver().cuMemGetAllocationGranularity.quiet(
      &bytes, &wanted, CU_MEM_ALLOC_GRANULARITY_MINIMUM);
  return result == CUDA_SUCCESS ? bytes : 0;
}

/// Counts frames; wakes who waits for a number of them.
class Frames {
 public:
  explicit Frames(GstElement *sink) {
    const auto pad = adopt(gst_element_get_static_pad(sink, "sink"));
    gst_pad_add_probe(
        pad.get(), GST_PAD_PROBE_TYPE_BUFFER,
        [](GstPad *, GstPadProbeInfo *, gpointer self) {
          static_cast<Frames *>(self)->add();
          return GST_PAD_PROBE_OK;
        },
        this, nullptr);
  }
  void await(std::uint64_t number) {
    std::unique_lock lock(mutex_);
    while (count_ < number) {
      const auto before = count_;
      if (!came_.wait_for(lock, std::chrono::minutes(1), [&] { return count_ != before; }))
        throw std::runtime_error("no frames come any more");
    }
  }

 private:
  void add() {
    const std::lock_guard lock(mutex_);
    ++count_;
    came_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable came_;
  std::uint64_t count_ = 0;
};

/// Leases frames until it is stopped, as a model's runtime does.
class Reader {
 public:
  Reader(GstElement *sink, GstCudaContext *context, std::string name)
      : sink_(sink), context_(share(context)), thread_([this, name] { run(name); }) {}
  ~Reader() {
    stop_ = true;
    thread_.join();
  }
  Reader(const Reader &) = delete;
  Reader &operator=(const Reader &) = delete;
  std::uint64_t leases() const { return leases_; }
  std::uint64_t failures() const { return failures_; }

 private:
  void run(const std::string &name) {
    const ContextScope scope(context_.get());
    CUstream stream = nullptr;
    driver().cuStreamCreate(&stream, static_cast<unsigned>(CU_STREAM_NON_BLOCKING));
    CUdeviceptr result = 0;
    while (!stop_) {
      auto *lease = gst_cuda_cam_lender_acquire(GST_CUDA_CAM_LENDER(sink_), name.c_str(),
                                                100 * GST_MSECOND, nullptr);
      if (!lease) continue;
      GstCudaCamPlane plane;
      bool read = gst_cuda_cam_lease_get_plane(lease, 0, &plane) && plane.on_gpu &&
                  gst_cuda_cam_lease_wait_on_stream(lease, stream, nullptr);
      if (read) {
        if (!result) driver().cuMemAlloc(&result, plane.row_bytes * std::size_t{plane.rows});
        CUDA_MEMCPY2D copy{};
        copy.srcMemoryType = copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
        copy.srcDevice = plane.address;
        copy.srcPitch = plane.pitch;
        copy.dstDevice = result;
        copy.dstPitch = copy.WidthInBytes = plane.row_bytes;
        copy.Height = plane.rows;
        driver().cuMemcpy2DAsync(&copy, stream);
        read = gst_cuda_cam_lease_release_after(lease, stream, nullptr);
      }
      gst_cuda_cam_lease_unref(lease);
      ++(read ? leases_ : failures_);
    }
    driver().cuStreamSynchronize(stream);
    driver().cuMemFree(result);
    driver().cuStreamDestroy(stream);
  }

  GstElement *const sink_;
  const CudaContextPtr context_;
  std::atomic<std::uint64_t> leases_{0}, failures_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;  // last: it uses the others
};

/// By how much the device's memory in use rises when a cudacampool gets its slots.
std::uint64_t taken_by_pool(const Options &options) {
  const auto pipeline = pipeline_of("cudacampool name=pool slots=" + std::to_string(options.slots) +
                                    " ! fakesink async=false");
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  const auto context = context_of(pipeline.get());
  const auto pad = adopt(gst_element_get_static_pad(element(pipeline, "pool").get(), "sink"));
  gst_pad_send_event(pad.get(), gst_event_new_stream_start("hour"));
  const auto before = device_bytes(context.get());
  const CapsPtr caps(gst_caps_from_string(
      ("video/x-raw(memory:CUDAMemory),format=NV12,framerate=30/1,width=" +
       std::to_string(options.width) + ",height=" + std::to_string(options.height))
          .c_str()));
  gst_pad_send_event(pad.get(), gst_event_new_caps(caps.get()));
  const auto taken = device_bytes(context.get()) - before;
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  return taken;
}

/// From where the planes of a frame lie.
std::uint64_t slot_bytes(GstElement *sink, std::uint64_t unit) {
  for (int tries = 0; tries < 600; ++tries) {
    auto *lease = gst_cuda_cam_lender_acquire(GST_CUDA_CAM_LENDER(sink), "measure",
                                              100 * GST_MSECOND, nullptr);
    if (!lease) continue;
    GstCudaCamPlane luma, chroma;
    const bool have = gst_cuda_cam_lease_get_plane(lease, 0, &luma) &&
                      gst_cuda_cam_lease_get_plane(lease, 1, &chroma);
    gst_cuda_cam_lease_unref(lease);
    if (!have) break;
    const auto bytes =
        std::uint64_t{luma.pitch} * luma.rows + std::uint64_t{chroma.pitch} * chroma.rows;
    return unit ? (bytes + unit - 1) / unit * unit : bytes;
  }
  throw std::runtime_error("no frame can be leased");
}

int run(const Options &options) {
  const Clip clip = bench::encode_clip(options.width, options.height, kFilm);
  const auto pipeline =
      pipeline_of("appsrc name=source ! h264parse ! nvh264dec ! cudacampool name=pool slots=" +
                  std::to_string(options.slots) + " ! cudacamsink name=sink statistics-interval=0");
  taken_by_pool(options);  // what the driver loads and makes once
  const auto taken = taken_by_pool(options);
  const auto sink = element(pipeline, "sink"), pool = element(pipeline, "pool");
  Frames frames(sink.get());
  const auto source = element(pipeline, "source");
  bench::ClipPlayer player(source.get(), clip);
  const auto start = Clock::now();
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  frames.await(1);
  const auto context = context_of(pipeline.get());
  const auto unit = granularity(context.get());
  const auto slot = slot_bytes(sink.get(), unit);
  const auto expected = slot * static_cast<std::uint64_t>(options.slots + 1);
  std::vector<std::uint64_t> device, pool_bytes;
  std::uint64_t leases = 0, failures = 0;
  const auto warm_up = std::min<std::uint64_t>(300, options.frames / 4);
  {
    std::vector<std::unique_ptr<Reader>> readers;
    for (int i = 0; i < options.readers; ++i)
      readers.push_back(
          std::make_unique<Reader>(sink.get(), context.get(), "reader-" + std::to_string(i)));
    for (int sample = 0; sample <= kSamples; ++sample) {
      frames.await(warm_up + (options.frames - warm_up) * sample / kSamples);
      device.push_back(device_bytes(context.get()));
      pool_bytes.push_back(test::number(pool.get(), "bytes-all-generations"));
    }
    for (const auto &reader : readers) {
      leases += reader->leases();
      failures += reader->failures();
    }
  }
  const auto seconds = std::chrono::duration<double>(Clock::now() - start).count();
  const auto generation = test::number(pool.get(), "generation");
  const auto dropped = test::number(pool.get(), "dropped");
  const auto retired = test::number(pool.get(), "slots-retired");
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);

  const auto same = [](const std::vector<std::uint64_t> &values) {
    return std::all_of(values.begin(), values.end(),
                       [&](auto value) { return value == values.front(); });
  };
  const bool pool_exact = unit && same(pool_bytes) && pool_bytes.front() == expected;
  const bool device_exact = same(device) && taken == expected;
  const nlohmann::json figures = {
      {"unit", "bytes"},
      {"frames", options.frames},
      {"seconds", seconds},
      {"width", options.width},
      {"height", options.height},
      {"slots", options.slots},
      {"readers", options.readers},
      {"leases", leases},
      {"leases-that-failed", failures},
      {"dropped", dropped},
      {"slots-retired", retired},
      {"generations", generation},
      {"granularity", unit},
      {"slot", slot},
      {"expected", expected},
      {"pool", {{"first", pool_bytes.front()}, {"last", pool_bytes.back()}, {"exact", pool_exact}}},
      {"device",
       {{"first", device.front()},
        {"last", device.back()},
        {"min", *std::min_element(device.begin(), device.end())},
        {"max", *std::max_element(device.begin(), device.end())},
        {"samples", device.size()}}},
      {"taken", {{"bytes", taken}, {"exact", taken == expected}}}};
  std::printf("%s\n", figures.dump(2).c_str());
  if (failures || !leases || generation != 1) return 1;
  return pool_exact && (device_exact || !test::gpu_is_simulated()) ? 0 : 1;
}

}  // namespace

int main(int argc, char **argv) {
  return test::run_program("hour", [&] {
    Options options;
    test::CommandLine line("the GPU's memory over an hour's worth of frames");
    line.add("frames", options.frames, "How many (default 108000)");
    line.add("readers", options.readers, "How many threads lease frames (default 3)");
    line.add("slots", options.slots, "Of cudacampool (default 6)");
    line.add("width", options.width, "Of the pictures (default 320)");
    line.add("height", options.height, "Of the pictures (default 192)");
    line.parse(argc, argv);
    if (options.frames < kSamples) throw std::runtime_error("frames is 50 at least");
    if (!adopt(gst_element_factory_find("nvh264dec"))) throw test::NotHere("no nvh264dec here");
    return run(options);
  });
}
