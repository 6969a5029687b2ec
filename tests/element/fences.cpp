// SPDX-License-Identifier: LGPL-2.1-or-later
/// Fences without a GPU: how readers reach them, and what a store makes of their answers.
#include <gst/check/gstcheck.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/ptr.hpp"
#include "gstcudacam.h"
#include "pool/backend.hpp"
#include "pool/store.hpp"

using cudacam::BufferPtr;
using cudacam::CapsPtr;
using cudacam::MemoryPtr;
using cudacam::Readiness;
using cudacam::SlotFence;
using cudacam::SlotSource;
using cudacam::Store;
using cudacam::Writer;

namespace {

/// Stands for a GPU's work on a slot.
struct FakeWork {
  std::atomic<int> readers{0};  // whose work has not ended
  std::atomic<bool> fails{false};
  std::atomic<bool> freed{false};
};

FakeWork &work(gpointer data) {
  return *static_cast<FakeWork *>(data);
}

gboolean wait(gpointer data, GError **error) {
  if (work(data).fails)
    g_set_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SYNC, "as the test wants");
  return !work(data).fails;
}

constexpr GstCudaCamFenceFuncs kFuncs = {
    wait,
    [](gpointer data, gpointer, GError **error) { return wait(data, error); },
    [](gpointer data, gpointer, GError **error) {
      if (!work(data).fails) ++work(data).readers;
      return wait(data, error);
    },
    [](gpointer data) { work(data).freed = true; },
    {}};

class FakeFence : public SlotFence {
 public:
  FakeFence(FakeWork &slot, bool reachable)
      : slot_(slot), reachable_(reachable), handle_(gst_cuda_cam_fence_new(&kFuncs, &slot)) {}
  ~FakeFence() override { gst_cuda_cam_fence_unref(handle_); }

  Readiness readiness(Writer) override {
    if (slot_.fails) throw std::runtime_error("as the test wants");
    if (!slot_.readers) return Readiness::kReady;
    return reachable_ ? Readiness::kAfterWait : Readiness::kNotYet;
  }
  void order(Writer) override { slot_.readers = 0; }
  void begin_write(GstMemory *) override {}
  bool pending() override { return slot_.readers; }
  void settle() noexcept override {}
  GstCudaCamFence *handle() const override { return handle_; }
  void end_reader() { --slot_.readers; }

 private:
  FakeWork &slot_;
  const bool reachable_;
  GstCudaCamFence *const handle_;
};

class FakeSlots : public SlotSource {
 public:
  FakeSlots(std::vector<FakeWork> &works, bool reachable) : works_(works), reachable_(reachable) {
    gst_video_info_set_format(&layout_, GST_VIDEO_FORMAT_GRAY8, 4, 4);
  }
  MemoryPtr allocate() override {
    return MemoryPtr(gst_allocator_alloc(nullptr, layout_.size, nullptr));
  }
  const GstVideoInfo &layout() const override { return layout_; }
  std::unique_ptr<SlotFence> make_fence() override {
    return std::make_unique<FakeFence>(works_.at(made_++), reachable_);
  }

 private:
  std::vector<FakeWork> &works_;
  const bool reachable_;
  std::size_t made_ = 0;
  GstVideoInfo layout_;
};

std::shared_ptr<Store> make_store(std::vector<FakeWork> &works, bool reachable) {
  const auto store = Store::create(std::make_unique<FakeSlots>(works, reachable), 1, {});
  for (std::size_t i = 0; i < works.size(); ++i) store->add_slot();
  return store;
}

GstCudaCamFence *fence_of(const BufferPtr &frame) {
  return gst_cuda_cam_buffer_get_fence(frame.get());
}

struct LeaseUnref {
  void operator()(GstCudaCamLease *lease) const { gst_cuda_cam_lease_unref(lease); }
};

}  // namespace

GST_START_TEST(the_meta_has_the_fence_of_the_memory) {
  std::vector<FakeWork> works(2);
  auto store = make_store(works, false);
  auto frame = store->take(Writer::kCopy);
  auto *meta =
      gst_buffer_add_cuda_cam_frame_meta(frame.get(), "camera", 1, 1, 0, GST_CLOCK_TIME_NONE);
  auto *fence = meta->fence;
  fail_unless(fence && fence == fence_of(frame));
  // It goes where the memory goes, and not where only the pixels go.
  const BufferPtr shallow(gst_buffer_copy(frame.get()));
  fail_unless(gst_buffer_get_cuda_cam_frame_meta(shallow.get())->fence == fence);
  const BufferPtr deep(gst_buffer_copy_deep(frame.get()));
  fail_unless(gst_buffer_get_cuda_cam_frame_meta(deep.get())->fence == nullptr);
  const BufferPtr region(gst_buffer_copy_region(frame.get(), GST_BUFFER_COPY_MEMORY, 4, 4));
  fail_unless(fence_of(region) == fence);
  // Kept for those who keep the frame, over the store's end.
  store.reset();
  frame.reset();
  fail_unless(gst_cuda_cam_fence_wait(fence, nullptr));
  fail_unless(!works[0].freed || !works[1].freed);
}
GST_END_TEST

GST_START_TEST(fences_end_with_their_slots) {
  std::vector<FakeWork> works(2);
  make_store(works, false);
  fail_unless(works[0].freed && works[1].freed);
}
GST_END_TEST

GST_START_TEST(a_slot_with_pending_work_is_passed_over_and_waited_for_only_if_allowed) {
  for (const bool reachable : {false, true}) {
    std::vector<FakeWork> works(2);
    const auto store = make_store(works, reachable);
    works[0].readers = 1;
    fail_unless_equals_int(store->pending(), 1);
    const auto ready = store->take(Writer::kUpstream);
    fail_unless(Store::fence(ready.get())->pending() == false);
    fail_unless(Store::origin(store->take(Writer::kUpstream).get()) == Store::Origin::kOverflow);
    store->let_writers_wait(true);
    const auto next = store->take(Writer::kUpstream);
    fail_unless_equals_int(Store::origin(next.get()) == Store::Origin::kSlot, reachable);
    fail_unless_equals_int(works[0].readers, reachable ? 0 : 1);
  }
}
GST_END_TEST

/// Another element may retire it at any moment.
GST_START_TEST(a_retired_slot_is_not_published) {
  std::vector<FakeWork> works(1);
  const auto store = make_store(works, true);
  const auto frame = store->take(Writer::kCopy);
  fail_unless(Store::publish(frame.get()).has_value());
  Store::retire(frame.get());
  fail_unless(Store::is_retired(frame.get()));
  fail_unless(!Store::publish(frame.get()).has_value());
}
GST_END_TEST

GST_START_TEST(an_error_on_upstreams_way_to_a_slot_is_told_once) {
  std::vector<FakeWork> works(2);
  const auto store = make_store(works, false);
  for (auto &slot : works) slot.fails = true;
  fail_unless(Store::origin(store->take_for_upstream().get()) == Store::Origin::kOverflow);
  bool told = false;
  try {
    store->rethrow();
  } catch (const std::runtime_error &) {
    told = true;
  }
  fail_unless(told);
  store->rethrow();
  for (auto &slot : works) slot.fails = false;
  fail_unless(Store::origin(store->take_for_upstream().get()) == Store::Origin::kSlot);
}
GST_END_TEST

GST_START_TEST(a_lease_is_released_after_work_only_if_the_fence_knows_it) {
  std::vector<FakeWork> works(2);
  const auto store = make_store(works, false);
  const CapsPtr caps(gst_caps_from_string("video/x-raw,format=GRAY8,width=4,height=4"));
  auto frame = store->take(Writer::kCopy);
  const std::unique_ptr<GstCudaCamLease, LeaseUnref> lease(
      gst_cuda_cam_lease_new(frame.get(), caps.get(), "reader", nullptr, nullptr));
  frame.reset();
  for (auto &slot : works) slot.fails = true;
  GError *error = nullptr;
  fail_unless(!gst_cuda_cam_lease_wait(lease.get(), &error));
  g_clear_error(&error);
  fail_unless(!gst_cuda_cam_lease_wait_on_stream(lease.get(), nullptr, &error));
  g_clear_error(&error);
  fail_unless(!gst_cuda_cam_lease_release_after(lease.get(), nullptr, &error));
  fail_unless(g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SYNC));
  g_clear_error(&error);
  fail_unless(gst_cuda_cam_lease_get_buffer(lease.get()) != nullptr);
  for (auto &slot : works) slot.fails = false;
  fail_unless(gst_cuda_cam_lease_release_after(lease.get(), nullptr, &error) && !error);
  fail_unless(gst_cuda_cam_lease_get_buffer(lease.get()) == nullptr);
  fail_unless_equals_int(store->pending(), 1);
  fail_unless(!gst_cuda_cam_lease_wait(lease.get(), &error));
  fail_unless(g_error_matches(error, GST_CUDA_CAM_LEASE_ERROR, GST_CUDA_CAM_LEASE_ERROR_RELEASED));
  g_clear_error(&error);
}
GST_END_TEST

/// A writer and readers whose work outlasts their references: no slot is written under either.
GST_START_TEST(readers_and_writers_of_all_kinds_at_the_same_time) {
  constexpr int kFrames = 3000, kReaders = 3;
  std::vector<FakeWork> works(4);
  const auto store = make_store(works, false);
  const CapsPtr caps(gst_caps_from_string("video/x-raw,format=GRAY8,width=4,height=4"));
  std::mutex newest_lock;  // of `newest`
  BufferPtr newest;
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0}, written{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < kReaders; ++i)
    readers.emplace_back([&] {
      while (!done) {
        BufferPtr frame;
        {
          const std::lock_guard lock(newest_lock);
          if (newest) frame = cudacam::share(newest.get());
        }
        if (!frame) continue;
        auto *slot = static_cast<FakeFence *>(Store::fence(frame.get()));
        auto *fence = fence_of(frame);
        if (!gst_cuda_cam_fence_add_reader(fence, nullptr, nullptr)) ++wrong;
        frame.reset();
        std::this_thread::yield();  // the "kernel" reads on
        slot->end_reader();
      }
    });
  std::vector<std::thread> writers;
  for (int i = 0; i < 2; ++i)
    writers.emplace_back([&] {
      for (int frames = 0; frames < kFrames; ++frames) {
        auto frame = store->take_for_upstream();
        if (Store::origin(frame.get()) != Store::Origin::kSlot) continue;
        if (Store::fence(frame.get())->pending()) ++wrong;
        Store::publish(frame.get());
        ++written;
        const std::lock_guard lock(newest_lock);
        newest.swap(frame);
      }
    });
  for (auto &writer : writers) writer.join();
  done = true;
  for (auto &reader : readers) reader.join();
  newest.reset();
  store->rethrow();
  fail_unless_equals_int(wrong, 0);
  fail_unless(written > 0);
}
GST_END_TEST

static Suite *fences_suite() {
  auto *suite = suite_create("fences");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, the_meta_has_the_fence_of_the_memory);
  tcase_add_test(tests, fences_end_with_their_slots);
  tcase_add_test(tests, a_slot_with_pending_work_is_passed_over_and_waited_for_only_if_allowed);
  tcase_add_test(tests, a_retired_slot_is_not_published);
  tcase_add_test(tests, an_error_on_upstreams_way_to_a_slot_is_told_once);
  tcase_add_test(tests, a_lease_is_released_after_work_only_if_the_fence_knows_it);
  tcase_add_test(tests, readers_and_writers_of_all_kinds_at_the_same_time);
  return suite;
}

GST_CHECK_MAIN(fences)
