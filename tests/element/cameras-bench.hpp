// SPDX-License-Identifier: LGPL-2.1-or-later
/// Cameras that copy on one simulated GPU, whose threads wait for as long as the test is inside
/// as many launches as there may be.
#pragma once

#include <algorithm>
#include <deque>
#include <future>
#include <list>
#include <string>
#include <utility>
#include <vector>

#include "cuda/copy-combiner.hpp"
#include "cuda/kernel-image.hpp"
#include "fence-bench.hpp"

namespace cudacam::test {

inline std::string host_build;  // of the kernels: what the simulated driver runs

inline const void *image() {
  return kernel_image() ? kernel_image() : host_build.data();
}

/// As many threads inside launches as there may be. They go on when they are told, or when this
/// ends.
class Launching {
 public:
  explicit Launching(CopyCombiner &combiner) : told_(go_on_.get_future()) {
    for (unsigned i = 0; i < LaunchTurns::kMostInside; ++i) {
      auto &job = jobs_.emplace_back(told_);
      results_.push_back(std::async(std::launch::async, [&job, &combiner] { combiner.run(job); }));
      job.begun.get_future().wait();
    }
  }
  ~Launching() { go_on(); }
  Launching(const Launching &) = delete;
  Launching &operator=(const Launching &) = delete;
  void go_on() {
    if (!std::exchange(gone_on_, true)) go_on_.set_value();
    for (auto &result : results_) result.wait();
  }

 private:
  struct Held : LaunchCombiner::Job {
    explicit Held(std::shared_future<void> told) : Job(0), go_on(std::move(told)) {}
    bool independent() override { return true; }
    void alone() override {
      begun.set_value();
      go_on.wait();
    }
    std::promise<void> begun;
    const std::shared_future<void> go_on;
  };
  std::promise<void> go_on_;
  bool gone_on_ = false;
  const std::shared_future<void> told_;
  std::deque<Held> jobs_;
  std::vector<std::future<void>> results_;
};

/// Cameras on one GPU, each with a thread that pushes.
class Cameras {
 public:
  explicit Cameras(std::size_t count, const std::string &pool = "slots=3",
                   const std::string &sink = "cudacamsink")
      : planes_(PlaneCopier::of(gpu_.context(), image())),
        combiner_(CopyCombiner::of(gpu_.context())) {
    for (std::size_t i = 0; i < count; ++i) {
      auto &bench = benches_.emplace_back(
          "cudacampool name=pool camera-name=cam" + std::to_string(i) + " " + pool + " ! " + sink,
          &gpu_);
      buses_.push_back(adopt(gst_bus_new()));
      gst_element_set_bus(bench.harness()->element, buses_.back().get());
      push(i, 1);  // all that is made once is made
      threads_.emplace_back();
    }
    await_idle();
  }
  ~Cameras() {
    for (auto &thread : threads_)
      if (thread.valid()) thread.wait();  // after a failed test
    std::size_t i = 0;
    for (auto &bench : benches_) {
      gst_element_set_bus(bench.harness()->element, nullptr);
      gst_bus_set_flushing(buses_[i++].get(), TRUE);
    }
  }
  Cameras(const Cameras &) = delete;
  Cameras &operator=(const Cameras &) = delete;

  Gpu &gpu() { return gpu_; }
  CopyCombiner &combiner() { return *combiner_; }
  std::size_t count() const { return benches_.size(); }
  FenceBench &camera(std::size_t i) { return *std::next(benches_.begin(), i); }

  void push(std::size_t i, guint8 grey) { camera(i).push(grey); }
  /// All at once, camera i the grey first + i, while there is no room for a launch: so they wait.
  void push_all_to_wait(guint8 first) {
    await_idle();
    push_to_wait(make_frames(first), 0);
  }
  /// A camera whose stream has work shares no launch, and a thread of the simulated GPU may be
  /// late.
  void await_idle() const {
    const ContextScope scope(gpu_.context());
    driver().cuCtxSynchronize();
  }
  std::vector<BufferPtr> make_frames(guint8 first) {
    std::vector<BufferPtr> frames;
    for (std::size_t i = 0; i < count(); ++i)
      frames.push_back(gpu_.frame(static_cast<guint8>(first + i)));
    return frames;
  }
  /// Those from camera `begin` on.
  void push_to_wait(std::vector<BufferPtr> frames, std::size_t begin) {
    for (std::size_t i = begin; i < count(); ++i)
      threads_[i] = std::async(std::launch::async, [this, i, frame = frames[i].release()] {
        return gst_harness_push(camera(i).harness(), frame);
      });
    while (combiner_->waiting() < count() - begin) std::this_thread::yield();
  }
  void expect_pushed() {
    for (auto &thread : threads_)
      if (thread.valid()) fail_unless_equals_int(thread.get(), GST_FLOW_OK);
  }
  void await_pushed() {
    for (auto &thread : threads_) thread.wait();
  }
  /// Both, with a launch that ends in between.
  void push_together(guint8 first) {
    Launching launching(*combiner_);
    push_all_to_wait(first);
    launching.go_on();
    expect_pushed();
  }
  /// What a reader's kernel finds in the frame that camera i published last.
  int read(std::size_t i) {
    Reader reader(gpu_);
    const auto lease = camera(i).acquire();
    wait_on_stream(lease, reader);
    reader.launch(lease.get());
    return reader.result();
  }
  void expect_pixels(int of_first) {
    for (std::size_t i = 0; i < count(); ++i)
      fail_unless_equals_int(read(i), of_first + static_cast<int>(i));
  }

  /// The text of the next message of a type from camera i, or nothing.
  std::string message(std::size_t i, GstMessageType type) {
    const MessagePtr message(gst_bus_pop_filtered(buses_[i].get(), type));
    if (!message) return {};
    GError *raw_error = nullptr;
    if (type == GST_MESSAGE_ERROR)
      gst_message_parse_error(message.get(), &raw_error, nullptr);
    else
      gst_message_parse_warning(message.get(), &raw_error, nullptr);
    return ErrorPtr(raw_error)->message;
  }
  /// One message of the type for each camera, with its name and the words, and no other.
  void expect_each_says(GstMessageType type, const std::string &words) {
    for (std::size_t i = 0; i < count(); ++i) {
      const auto text = message(i, type);
      fail_unless(text.find("Camera cam" + std::to_string(i) + ":") == 0 &&
                      text.find(words) != std::string::npos,
                  "camera %zu says: %s", i, text.c_str());
      expect_none(i, type);
    }
  }
  void expect_none(std::size_t i, GstMessageType type) {
    const auto text = message(i, type);
    fail_unless(text.empty(), "camera %zu says: %s", i, text.c_str());
  }
  void expect_silence() {
    for (std::size_t i = 0; i < count(); ++i) {
      expect_none(i, GST_MESSAGE_WARNING);
      expect_none(i, GST_MESSAGE_ERROR);
    }
  }

 private:
  Gpu gpu_;
  const std::shared_ptr<PlaneCopier> planes_;
  const std::shared_ptr<CopyCombiner> combiner_;
  std::list<FenceBench> benches_;
  std::vector<ObjectPtr<GstBus>> buses_;
  std::vector<std::future<GstFlowReturn>> threads_;
};

/// A reader of each camera, made before anything is held.
class Readers {
 public:
  explicit Readers(Cameras &cameras) : cameras_(cameras) {
    for (std::size_t i = 0; i < cameras.count(); ++i) readers_.emplace_back(cameras.gpu());
  }
  /// Each reads what its camera published last. In no order with the NULL stream, which waits for
  /// streams that are held.
  void launch() {
    leases_.clear();
    for (auto &reader : readers_) {
      leases_.push_back(cameras_.camera(leases_.size()).acquire());
      wait_on_stream(leases_.back(), reader);
      reader.launch(leases_.back().get());
    }
  }
  void expect_waiting() {
    for (auto &reader : readers_)
      fail_unless(cameras_.camera(0).simulated.step(reader.stream(), 9) == 0,
                  "a reader did not wait");
  }
  void await_end() {
    for (auto &reader : readers_) driver().cuStreamSynchronize(reader.stream());
  }
  void expect(int of_first) {
    for (auto &reader : readers_) fail_unless_equals_int(reader.result(), of_first++);
  }

 private:
  Cameras &cameras_;
  std::list<Reader> readers_;
  std::vector<LeasePtr> leases_;
};

}  // namespace cudacam::test
