// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pool-bench.hpp"

#include <gst/check/gstcheck.h>

#include <vector>

#include "support/simulated-driver.hpp"
#include "support/statistics.hpp"

#ifdef HAVE_CUDA
#include "cuda/compat.hpp"
#include "cuda/stream.hpp"
#include "support/stock-memory.hpp"
#endif

namespace cudacam::test {
namespace {

/// Bytes of one row and rows of a plane that are visible.
std::pair<gsize, gint> extent(const GstVideoFrame &frame, guint plane) {
  gint components[GST_VIDEO_MAX_COMPONENTS];
  gst_video_format_info_component(frame.info.finfo, plane, components);
  return {static_cast<gsize>(GST_VIDEO_FRAME_COMP_WIDTH(&frame, components[0])) *
              GST_VIDEO_FRAME_COMP_PSTRIDE(&frame, components[0]),
          GST_VIDEO_FRAME_COMP_HEIGHT(&frame, components[0])};
}

class SystemMemory : public TestMemory {
 public:
  bool on_gpu() const override { return false; }
  std::string caps(const std::string &size) const override {
    return "video/x-raw,format=NV12,framerate=30/1," + size;
  }
  BufferPtr allocate(const GstVideoInfo &info) override {
    return BufferPtr(gst_buffer_new_allocate(nullptr, info.size, nullptr));
  }
  void fill(GstBuffer *frame, const GstVideoInfo &, guint8 value) override {
    GstMapInfo map;
    fail_unless(gst_buffer_map(frame, &map, GST_MAP_WRITE));
    for (gsize i = 0; i < map.size; ++i) map.data[i] = value;  // where ThreadSanitizer sees it
    gst_buffer_unmap(frame, &map);
  }
  void share_with(GstElement *) override {}
  void forget() override {}
};

#ifdef HAVE_CUDA

class GpuMemory : public TestMemory {
 public:
  GpuMemory() {
    fail_unless(gst_cuda_load_library());
    context_.reset(gst_cuda_context_new(0));
    fail_unless(context_ != nullptr);
    upstream_ = compat::make_producer_stream(context_.get());
    stream_ = std::make_unique<Stream>(context_.get());
  }
  bool on_gpu() const override { return true; }
  std::string caps(const std::string &size) const override {
    return "video/x-raw(memory:CUDAMemory),format=NV12,framerate=30/1," + size;
  }
  BufferPtr allocate(const GstVideoInfo &info) override {
    return stock_frame(context_.get(), info, upstream_.get());
  }
  void fill(GstBuffer *frame, const GstVideoInfo &info, guint8 value) override {
    GstVideoFrame mapped;
    fail_unless(
        gst_video_frame_map(&mapped, &info, frame, GstMapFlags(GST_MAP_WRITE | GST_MAP_CUDA)));
    const ContextScope scope(context_.get());
    for (guint plane = 0; plane < GST_VIDEO_FRAME_N_PLANES(&mapped); ++plane) {
      const auto [row, rows] = extent(mapped, plane);
      const std::vector<guint8> bytes(row, value);
      CUDA_MEMCPY2D copy{};
      copy.srcMemoryType = CU_MEMORYTYPE_HOST;
      copy.srcHost = bytes.data();  // the same row for all
      copy.srcPitch = 0;
      copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
      copy.dstPitch = GST_VIDEO_FRAME_PLANE_STRIDE(&mapped, plane);
      copy.WidthInBytes = row;
      copy.Height = 1;
      for (gint y = 0; y < rows; ++y) {
        copy.dstDevice = reinterpret_cast<CUdeviceptr>(GST_VIDEO_FRAME_PLANE_DATA(&mapped, plane)) +
                         static_cast<CUdeviceptr>(y) * copy.dstPitch;
        driver().cuMemcpy2DAsync(&copy, stream_->handle());
      }
      driver().cuStreamSynchronize(stream_->handle());
    }
    gst_video_frame_unmap(&mapped);
  }
  void share_with(GstElement *element) override {
    auto *context = gst_context_new_cuda_context(context_.get());
    gst_element_set_context(element, context);
    gst_context_unref(context);
  }
  CudaContextPtr context() const override { return cudacam::share(context_.get()); }
  void forget() override {
    stream_.reset();
    upstream_.reset();
    context_.reset();
  }

 private:
  CudaContextPtr context_;
  std::shared_ptr<compat::ProducerStream> upstream_;
  std::unique_ptr<Stream> stream_;
};

#endif

}  // namespace

TestMemory &TestMemory::get() {
  // Never ended: at the process's exit the driver may be gone.
  static TestMemory *const memory = []() -> TestMemory * {
#ifdef HAVE_CUDA
    if (wants_gpu()) return new GpuMemory;
#endif
    return new SystemMemory;
  }();
  return *memory;
}

bool TestMemory::wants_gpu() {
  return g_strcmp0(g_getenv("CUDACAM_TEST_MEMORY"), "cuda") == 0;
}

bool TestMemory::have_gpu() {
#ifdef HAVE_CUDA
  return compat::cuda_library_fits() && gst_cuda_load_library() &&
         adopt(gst_element_factory_find("cudaupload"));
#else
  return false;
#endif
}

bool filled_with(GstBuffer *frame, const GstVideoInfo &info, guint8 value) {
  GstVideoFrame mapped;
  fail_unless(gst_video_frame_map(&mapped, &info, frame, GST_MAP_READ));
  bool same = true;
  for (guint plane = 0; plane < GST_VIDEO_FRAME_N_PLANES(&mapped); ++plane) {
    const auto [row, rows] = extent(mapped, plane);
    const auto *at = static_cast<const guint8 *>(GST_VIDEO_FRAME_PLANE_DATA(&mapped, plane));
    for (gint y = 0; y < rows; ++y, at += GST_VIDEO_FRAME_PLANE_STRIDE(&mapped, plane))
      for (gsize x = 0; x < row; ++x) same = same && at[x] == value;
  }
  gst_video_frame_unmap(&mapped);
  return same;
}

PoolBench::PoolBench(const char *launch, const char *size)
    : harness_(gst_harness_new_parse(launch)), bus_(gst_bus_new()) {
  pool_ = gst_harness_find_element(harness_, "cudacampool");
  gst_element_set_bus(harness_->element, bus_);
  TestMemory::get().share_with(pool_);
  if (size) set_size(size);
}

PoolBench::~PoolBench() {
  if (slots_) gst_buffer_pool_set_active(slots_.get(), FALSE);
  gst_element_set_bus(harness_->element, nullptr);
  gst_object_unref(bus_);
  gst_object_unref(pool_);
  gst_harness_teardown(harness_);
}

void PoolBench::set_size(const char *size, const char *more) {
  caps_.reset(gst_caps_from_string((TestMemory::get().caps(size) + more).c_str()));
  fail_unless(gst_video_info_from_caps(&info_, caps_.get()));
  gst_harness_set_src_caps(harness_, gst_caps_ref(caps_.get()));
  negotiate();
}

bool PoolBench::negotiate() {
  const QueryPtr query(gst_query_new_allocation(caps_.get(), TRUE));
  ObjectPtr<GstBufferPool> offered;
  if (gst_pad_peer_query(harness_->srcpad, query.get()) &&
      gst_query_get_n_allocation_pools(query.get())) {
    GstBufferPool *pool = nullptr;
    guint size = 0, fewest = 0, most = 0;
    gst_query_parse_nth_allocation_pool(query.get(), 0, &pool, &size, &fewest, &most);
    offered.reset(pool);
    auto *config = gst_buffer_pool_get_config(pool);
    gst_buffer_pool_config_set_params(config, caps_.get(), size, fewest, most);
    fail_unless(gst_buffer_pool_set_config(pool, config));
    fail_unless(gst_buffer_pool_set_active(pool, TRUE));
  }
  if (slots_) gst_buffer_pool_set_active(slots_.get(), FALSE);
  slots_ = std::move(offered);
  return slots_ != nullptr;
}

BufferPtr PoolBench::acquire() {
  GstBuffer *frame = nullptr;
  if (slots_)
    fail_unless_equals_int(gst_buffer_pool_acquire_buffer(slots_.get(), &frame, nullptr),
                           GST_FLOW_OK);
  return BufferPtr(frame);
}

BufferPtr PoolBench::write(guint8 value) {
  auto frame = acquire();
  if (!frame) return foreign(value);
  TestMemory::get().fill(frame.get(), info_, value);
  GST_BUFFER_PTS(frame.get()) = frames_++ * GST_SECOND / 30;
  return frame;
}

BufferPtr PoolBench::foreign(guint8 value) {
  auto frame = TestMemory::get().allocate(info_);
  TestMemory::get().fill(frame.get(), info_, value);
  GST_BUFFER_PTS(frame.get()) = frames_++ * GST_SECOND / 30;
  return frame;
}

BufferPtr PoolBench::pass(guint8 value) {
  fail_unless_equals_int(push(write(value)), GST_FLOW_OK);
  return pull();
}

BufferPtr PoolBench::pass_foreign(guint8 value) {
  fail_unless_equals_int(push(foreign(value)), GST_FLOW_OK);
  return pull();
}

std::int64_t gpu_allocations() {
  const SimulatedDriver driver;
  return driver.counter("memory.live") + driver.counter("physical.live") +
         driver.counter("reservation.live");
}

void PoolBench::settle() {
  wait_until([&] { return number(pool_, "bytes-being-freed") == 0; });
}

gsize PoolBench::slot_bytes() const {
  const auto slots = number(pool_, "slots") + number(pool_, "slots-retired") + 1;  // overflow
  return number(pool_, "bytes") / slots;
}

std::string PoolBench::next(std::deque<std::string> &messages) {
  while (const MessagePtr message{gst_bus_pop(bus_)}) {
    GError *error = nullptr;
    if (GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_ERROR) {
      gst_message_parse_error(message.get(), &error, nullptr);
      errors_.push_back(error->message);
    } else if (GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_WARNING) {
      gst_message_parse_warning(message.get(), &error, nullptr);
      warnings_.push_back(error->message);
    }
    const ErrorPtr owned(error);
  }
  if (messages.empty()) return {};
  const auto text = messages.front();
  messages.pop_front();
  return text;
}

}  // namespace cudacam::test
