// SPDX-License-Identifier: LGPL-2.1-or-later
#include "copy-together.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "copy-gpu.hpp"
#include "cuda/launch-combiner.hpp"
#include "tests/support/percentiles.hpp"

namespace cudacam::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Microseconds = std::vector<double>;

constexpr unsigned kSlots = 4;
constexpr int kRounds = 3;  // of each way, in turns

double microseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::micro>(duration).count();
}

class Stream {
 public:
  Stream() { CALL(cuStreamCreate)(&stream_, static_cast<unsigned>(CU_STREAM_NON_BLOCKING)); }
  ~Stream() { CALL(cuStreamDestroy)(stream_); }
  Stream(const Stream &) = delete;
  Stream &operator=(const Stream &) = delete;
  CUstream handle() const { return stream_; }

 private:
  CUstream stream_ = nullptr;
};

class CopyJob : public LaunchCombiner::Job {
 public:
  CopyJob(const Gpu &gpu, const std::vector<PlaneCopy> &frame, CUstream stream)
      : LaunchCombiner::Job(static_cast<unsigned>(frame.size())),
        planes_of_frame(frame),
        gpu_(gpu),
        stream_(stream) {}
  bool independent() override {
    static const FUNCTION(cuStreamQuery, query);
    return query.quiet(stream_) == CUDA_SUCCESS;
  }
  void alone() override { gpu_.by_kernel_on(stream_, planes_of_frame); }

  const std::vector<PlaneCopy> &planes_of_frame;

 private:
  const Gpu &gpu_;
  const CUstream stream_;
};

class Combiner : public LaunchCombiner {
 public:
  explicit Combiner(const Gpu &gpu) : gpu_(gpu) {}
  CUstream stream() const { return stream_.handle(); }

 private:
  void together(Job *const *jobs, std::size_t count) override {
    std::vector<PlaneCopy> planes;
    for (std::size_t i = 0; i < count; ++i) {
      const auto &frame = static_cast<const CopyJob *>(jobs[i])->planes_of_frame;
      planes.insert(planes.end(), frame.begin(), frame.end());
    }
    gpu_.by_kernel_on(stream_.handle(), planes);
  }

  const Gpu &gpu_;
  const Stream stream_;
};

/// One camera: a thread's stream, slots and frames.
class Camera {
 public:
  Camera(const Gpu &gpu, Size size, std::size_t frames) : gpu_(gpu), ring_(size, frames) {
    for (auto &event : ready_)
      CALL(cuEventCreate)(&event, static_cast<unsigned>(CU_EVENT_DISABLE_TIMING));
  }
  ~Camera() {
    for (auto *event : ready_) CALL(cuEventDestroy)(event);
  }
  Camera(const Camera &) = delete;
  Camera &operator=(const Camera &) = delete;

  /// Copies the next frame; `combiner` null: alone.
  void copy(Combiner *combiner) {
    auto *ready = ready_[slot_++ % kSlots];
    CALL(cuEventSynchronize)(ready);  // the slot's last copy
    const auto &frame = ring_.next(1);
    const auto start = Clock::now();
    CopyJob job(gpu_, frame, stream_.handle());
    auto *on = stream_.handle();
    if (!combiner)
      job.alone();
    else if (combiner->run(job))
      on = combiner->stream();
    static const FUNCTION(cuEventRecord, record);
    record(ready, on);
    submit.push_back(microseconds(Clock::now() - start));
    last_ = ready;
  }
  void await() const { CALL(cuEventSynchronize)(last_); }

  Microseconds submit, complete;

 private:
  const Gpu &gpu_;
  const Stream stream_;
  Ring ring_;
  CUevent ready_[kSlots] = {};
  CUevent last_ = nullptr;
  unsigned slot_ = 0;
};

/// Lets all threads go on at the same moment.
class Start {
 public:
  explicit Start(std::size_t threads) : threads_(threads) {}
  void wait() {
    std::unique_lock lock(mutex_);
    const auto round = round_;
    if (++there_ == threads_) {
      there_ = 0;
      ++round_;
      all_there_.notify_all();
    }
    all_there_.wait(lock, [&] { return round != round_; });
  }

 private:
  const std::size_t threads_;
  std::mutex mutex_;
  std::condition_variable all_there_;
  std::size_t there_ = 0;
  unsigned round_ = 0;
};

enum class Load { flat_out, at_once, apart };

struct Outcome {
  double frames = 0, seconds = 0;
  std::uint64_t shared = 0, launches = 0;
  Microseconds submit, complete;
};

struct Plan {
  const char *name;
  Load load;
  std::size_t threads;
  int copies;  // of each thread, in each round
};

void run(const Plan &plan, std::vector<std::unique_ptr<Camera>> &cameras, const Gpu &gpu,
         bool together, Outcome &outcome) {
  std::optional<Combiner> combiner;
  if (together) combiner.emplace(gpu);
  Start start(cameras.size());
  std::vector<std::thread> threads;
  std::vector<std::exception_ptr> errors(cameras.size());
  const auto begin = Clock::now();
  for (std::size_t i = 0; i < cameras.size(); ++i)
    threads.emplace_back([&, i] {
      constexpr std::chrono::microseconds kFrame(33333);
      auto &camera = *cameras[i];
      std::minstd_rand random(static_cast<unsigned>(i) + 1);
      auto next = begin + kFrame + std::chrono::microseconds(random() % kFrame.count());
      try {
        CALL(cuCtxSetCurrent)(gpu.context());
        for (int n = 0; n < plan.copies; ++n) {
          if (plan.load == Load::at_once) start.wait();
          if (plan.load == Load::apart) std::this_thread::sleep_until(next += kFrame);
          const auto from = Clock::now();
          camera.copy(combiner ? &*combiner : nullptr);
          if (plan.load == Load::flat_out) continue;
          camera.await();
          camera.complete.push_back(microseconds(Clock::now() - from));
        }
        camera.await();
      } catch (...) {
        errors[i] = std::current_exception();
      }
    });
  for (auto &thread : threads) thread.join();
  for (auto &error : errors)
    if (error) std::rethrow_exception(error);
  outcome.seconds += microseconds(Clock::now() - begin) / 1e6;
  outcome.frames += static_cast<double>(cameras.size()) * plan.copies;
  if (combiner) {
    outcome.shared += combiner->shared_copies();
    outcome.launches += combiner->shared_launches();
  }
  for (auto &camera : cameras) {
    for (auto [from, to] : {std::pair(&camera->submit, &outcome.submit),
                            std::pair(&camera->complete, &outcome.complete)}) {
      to->insert(to->end(), from->begin(), from->end());
      from->clear();
    }
  }
}

std::string summary(Microseconds values) {
  return test::summary(std::move(values), 2, {"p50", "max"});
}

std::string json(const Plan &plan, const Outcome &outcome) {
  std::string text = "{";
  if (plan.load == Load::flat_out)
    text +=
        "\"frames-per-second\": " + std::to_string(std::lround(outcome.frames / outcome.seconds)) +
        ", ";
  char shared[100];
  std::snprintf(shared, sizeof shared, R"(, "shared": %.4f, "copies-a-shared-launch": %.2f)",
                static_cast<double>(outcome.shared) / outcome.frames,
                outcome.launches
                    ? static_cast<double>(outcome.shared) / static_cast<double>(outcome.launches)
                    : 0.0);
  text += "\"submit\": " + summary(outcome.submit);
  if (!outcome.complete.empty()) text += ", \"complete\": " + summary(outcome.complete);
  return text + shared + "}";
}

}  // namespace

std::string compare_together(const Gpu &gpu, bool real) {
  const int many = real ? 20000 : 200, some = real ? 2000 : 50, few = real ? 60 : 10;
  const Plan plans[] = {{"flat-out", Load::flat_out, 1, many},
                        {"flat-out", Load::flat_out, 4, many},
                        {"flat-out", Load::flat_out, 16, many / 4},
                        {"at-once", Load::at_once, 4, some},
                        {"at-once", Load::at_once, 16, some},
                        {"at-once", Load::at_once, 48, some / 2},
                        {"apart", Load::apart, 16, few},
                        {"apart", Load::apart, 48, few}};
  const unsigned shrink = real ? 1 : 30;
  std::string text;
  for (const auto &plan : plans) {
    std::vector<std::unique_ptr<Camera>> cameras;
    for (std::size_t i = 0; i < plan.threads; ++i)
      cameras.push_back(
          std::make_unique<Camera>(gpu, Size{1920 / shrink, 1080 / shrink}, real ? 16 : 4));
    Outcome alone, together, warm_up;
    Plan short_plan = plan;
    short_plan.copies = std::min(plan.copies, 20);
    for (const bool shares : {false, true}) run(short_plan, cameras, gpu, shares, warm_up);
    for (int round = 0; round < kRounds; ++round) {
      run(plan, cameras, gpu, false, alone);
      run(plan, cameras, gpu, true, together);
    }
    text += std::string(text.empty() ? "" : ",") + "\n    \"" + plan.name + "-" +
            std::to_string(plan.threads) + "\": {\n      \"alone\": " + json(plan, alone) +
            ",\n      \"together\": " + json(plan, together) + "}";
  }
  return "{" + text + "\n  }";
}

}  // namespace cudacam::bench
