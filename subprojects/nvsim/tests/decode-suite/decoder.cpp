// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Decoders as objects of the simulated driver: their memory, their order among streams, their end.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "tests/decode-suite/field_streams.hpp"
#include "tests/decode-suite/player.hpp"

using player::Player;

namespace {

// Whether another thread comes to stand in a wait that is counted, rather than to be `done`.
bool ends_up_in(const char *wait, const std::atomic<bool> &done) {
  while (nvsim_counter(wait) == 0 && !done) std::this_thread::yield();
  return !done;
}

}  // namespace

// The first picture: luma, then chroma, rows without padding.
static player::Bytes first_picture(Player &player) {
  player.play();
  CUdeviceptr address = 0;
  CHECK_OK(player.map(player.shown.front(), nullptr, address));
  const std::size_t width = player.info.ulTargetWidth, rows = player.info.ulTargetHeight * 3 / 2;
  player::Bytes bytes(width * rows);
  CUDA_MEMCPY2D copy{};
  copy.srcMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.srcDevice = address;
  copy.srcPitch = player.pitch;
  copy.dstMemoryType = CU_MEMORYTYPE_HOST;
  copy.dstHost = bytes.data();
  copy.dstPitch = copy.WidthInBytes = width;
  copy.Height = rows;
  CHECK_OK(cuMemcpy2D(&copy));
  CHECK_OK(player.unmap(address));
  return bytes;
}

TEST(the_display_area_is_cut_out_of_the_picture) {
  constexpr std::size_t kLeft = 18, kTop = 10, kWidth = 32, kHeight = 48;
  harness::start();
  const auto fields = field_streams::all().front().units;
  player::Bytes noise = fields[0];
  noise.insert(noise.end(), fields[1].begin(), fields[1].end());
  Player whole(noise), part(noise);
  part.on_create = [](CUVIDDECODECREATEINFO &info) {
    info.display_area = {kLeft, kTop, kLeft + kWidth, kTop + kHeight};
    info.ulTargetWidth = kWidth;
    info.ulTargetHeight = kHeight;
  };
  const player::Bytes all = first_picture(whole), cut = first_picture(part);
  const std::size_t width = whole.info.ulTargetWidth, height = whole.info.ulTargetHeight;
  for (std::size_t y = 0; y < kHeight * 3 / 2; y++) {
    const std::size_t from = y < kHeight ? y + kTop : height + y - kHeight + kTop / 2;
    const auto row = cut.data() + y * kWidth;
    CHECK(std::equal(row, row + kWidth, all.data() + from * width + kLeft));
  }
}

TEST(counts_decoders_and_gives_all_memory_back) {
  harness::start();
  const int64_t before = nvsim_counter("memory.bytes");
  Player player;
  player.play();
  CHECK_EQUAL(player.decoded, 20);
  CHECK_EQUAL(player.shown.size(), 20u);
  CHECK_EQUAL(nvsim_counter("decoder.created"), 1);
  CHECK_EQUAL(nvsim_counter("decoder.live"), 1);
  CHECK_OK(player.destroy());
  CHECK_EQUAL(nvsim_counter("decoder.destroyed"), 1);
  CHECK_EQUAL(nvsim_counter("decoder.live"), 0);
  CHECK_EQUAL(nvsim_counter("memory.bytes"), before);
  CHECK_OK(CUVID(cuvidDestroyVideoParser)(player.parser));
  CHECK_EQUAL(nvsim_violations(), 0u);
}

TEST(a_destroyed_decoder_is_not_used_again) {
  harness::start();
  Player player;
  player.play();
  CHECK_OK(player.destroy());
  CUdeviceptr address = 0;
  CHECK_EQUAL(player.map(0, nullptr, address), CUDA_ERROR_INVALID_HANDLE);
  CHECK(harness::reported("has been destroyed"));
  CHECK_EQUAL(player.destroy(), CUDA_ERROR_INVALID_HANDLE);
}

TEST(a_mapped_picture_dies_with_its_decoder) {
  harness::start();
  Player player;
  player.play();
  CUdeviceptr address = 0;
  CHECK_OK(player.map(player.shown.back(), nullptr, address));
  CHECK_OK(player.unmap(address));
  CHECK_OK(player.destroy());
  const CUdeviceptr copy = harness::make_memory(4096);
  const CUstream stream = harness::make_stream();
  (void)cuMemcpyDtoDAsync(copy, address, 4096, stream);
  (void)cuStreamSynchronize(stream);
  CHECK(harness::reported("cuvidDestroyDecoder"));
  CHECK(harness::reported("output slot"));
}

TEST(destroying_with_a_picture_mapped_is_reported) {
  harness::start();
  Player player;
  player.play();
  CUdeviceptr address = 0;
  CHECK_OK(player.map(player.shown.back(), nullptr, address));
  CHECK_OK(player.destroy());
  CHECK(harness::reported("is mapped"));
}

// The bug: a slot is given back while a copy from it still waits on another stream.
static void reuse_slot(bool wait_for_the_copy) {
  harness::start();
  Player player;
  player.play();
  const CUstream first = harness::make_stream(), second = harness::make_stream();
  const CUdeviceptr copy = harness::make_memory(1 << 17);
  CUdeviceptr address = 0, again = 0;
  CHECK_OK(player.map(player.shown[18], first, address));
  nvsim_hold(first, 1);
  CUDA_MEMCPY2D plane{};
  plane.srcMemoryType = plane.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  plane.srcDevice = address;
  plane.dstDevice = copy;
  plane.srcPitch = plane.dstPitch = player.pitch;
  plane.WidthInBytes = player.info.ulTargetWidth;
  plane.Height = player.info.ulTargetHeight;
  CHECK_OK(cuMemcpy2DAsync(&plane, first));
  if (wait_for_the_copy) {
    const CUevent copied = harness::make_event();
    CHECK_OK(cuEventRecord(copied, first));
    CHECK_OK(cuStreamWaitEvent(second, copied, 0));
  }
  CHECK_OK(player.unmap(address));
  CHECK_OK(player.map(player.shown[19], second, again));
  CHECK_EQUAL(again, address);
  nvsim_hold(first, 0);
  CHECK_OK(cuStreamSynchronize(first));
  CHECK_OK(cuStreamSynchronize(second));
  CHECK_EQUAL(harness::reported("is not ordered after read by 'cuMemcpy2DAsync'"),
              !wait_for_the_copy);
  if (wait_for_the_copy) CHECK_EQUAL(nvsim_violations(), 0u);
  CHECK_OK(player.unmap(again));
  CHECK_OK(player.destroy());
}

TEST(a_slot_given_back_too_early_is_a_race) {
  reuse_slot(false);
}
TEST(a_slot_given_back_after_its_copy_is_none) {
  reuse_slot(true);
}

TEST(the_engine_waits_for_the_post_processing_of_a_surface) {
  harness::start();
  Player player;
  player.play();
  const CUstream stream = harness::make_stream();
  nvsim_hold(stream, 1);
  CUdeviceptr address = 0;
  CHECK_OK(player.map(0, stream, address));
  // The stream plays anew into the same surfaces while the post-processing of one is held.
  std::atomic<bool> done{false};
  CUcontext context = nullptr;
  CHECK_OK(cuCtxGetCurrent(&context));
  std::thread other([&] {
    CHECK_OK(cuCtxSetCurrent(context));
    player.play();
    CUdeviceptr second = 0;
    CHECK_OK(player.map(player.shown.back(), nullptr, second));  // waits for the engine
    done = true;
  });
  CHECK(ends_up_in("thread.waiting", done));
  nvsim_hold(stream, 0);
  other.join();
  CHECK_EQUAL(nvsim_violations(), 0u);
}

TEST(destroy_waits_for_work_that_reads_a_picture) {
  harness::start();
  Player player;
  player.play();
  const CUstream stream = harness::make_stream();
  const CUdeviceptr copy = harness::make_memory(4096);
  CUdeviceptr address = 0;
  CHECK_OK(player.map(player.shown.back(), stream, address));
  nvsim_hold(stream, 1);
  CHECK_OK(cuMemcpyDtoDAsync(copy, address, 4096, stream));
  CHECK_OK(player.unmap(address));
  std::atomic<bool> done{false};
  std::thread other([&] {
    CHECK_OK(player.destroy());
    done = true;
  });
  CHECK(ends_up_in("thread.waiting", done));
  nvsim_hold(stream, 0);
  other.join();
  CHECK_OK(cuStreamSynchronize(stream));
  CHECK_EQUAL(nvsim_violations(), 0u);
}

// The decoder's end waits for a held stream, so that the freeze lasts until the test says so.
TEST(the_driver_freezes_while_a_decoder_is_destroyed) {
  harness::start();
  Player player;
  player.play();
  CUcontext context = nullptr;
  CHECK_OK(cuCtxGetCurrent(&context));
  const CUstream stream = harness::make_stream();
  nvsim_hold(stream, 1);
  CHECK_OK(cuMemsetD8Async(harness::make_memory(16), 0, 16, stream));
  nvsim_set_destroy_freeze_ms(1);
  std::atomic<bool> destroyed{false}, asked{false};
  std::thread destroyer([&] {
    CHECK_OK(player.destroy());
    destroyed = true;
  });
  CHECK(ends_up_in("thread.waiting", destroyed));
  std::thread other([&] {
    CHECK_OK(cuCtxSetCurrent(context));
    asked = true;
  });
  CHECK(ends_up_in("thread.frozen", asked));
  nvsim_hold(stream, 0);
  destroyer.join();
  other.join();
  CHECK_EQUAL(nvsim_counter("thread.frozen"), 0);
}

TEST(a_freeze_lasts_as_long_as_it_is_told_to) {
  harness::start();
  Player player;
  player.play();
  constexpr auto kLasts = std::chrono::milliseconds(60);
  nvsim_set_destroy_freeze_ms(kLasts.count());
  const auto begin = std::chrono::steady_clock::now();
  CHECK_OK(player.destroy());
  CHECK(std::chrono::steady_clock::now() - begin >= kLasts);
}

TEST(two_pictures_are_mapped_at_a_time_and_no_more) {
  harness::start();
  Player player;
  player.play();
  CUdeviceptr first = 0, same = 0, second = 0, third = 0;
  CHECK_OK(player.map(0, nullptr, first));
  CHECK_EQUAL(player.map(0, nullptr, same), CUDA_ERROR_ALREADY_MAPPED);
  CHECK_EQUAL(same, first);
  CHECK_OK(player.map(1, nullptr, second));
  CHECK_EQUAL(player.map(2, nullptr, third), CUDA_ERROR_MAP_FAILED);
  CHECK_OK(player.unmap(first));
  CHECK_OK(player.map(2, nullptr, third));
  CHECK_EQUAL(player.unmap(first + 256), CUDA_ERROR_NOT_MAPPED);
}

TEST(mapping_needs_the_decoders_context) {
  harness::start();
  Player player;
  player.play();
  CUcontext other = nullptr;
  CHECK_OK(cuCtxCreate_v2(&other, 0, 0));
  CUdeviceptr address = 0;
  CHECK_EQUAL(player.map(0, nullptr, address), CUDA_ERROR_OUT_OF_MEMORY);
  CHECK(harness::reported("without its context being current"));
}

TEST(no_memory_for_the_surfaces) {
  harness::start();
  const int64_t before = nvsim_counter("memory.bytes");
  CHECK_EQUAL(nvsim_set_memory_limit(0, static_cast<uint64_t>(before) + 100000), 0);
  Player player;
  player.play();
  CHECK_EQUAL(player.last_result, CUDA_ERROR_OUT_OF_MEMORY);
  CHECK_EQUAL(nvsim_counter("decoder.live"), 0);
  CHECK_EQUAL(nvsim_counter("memory.bytes"), before);
}

TEST(calls_fail_when_told_to) {
  harness::start();
  CHECK_EQUAL(nvsim_fault_add("cuvidDecodePicture@3=CUDA_ERROR_UNKNOWN"), 0);
  Player player;
  player.play();
  CHECK_EQUAL(player.decoded, 20);
  CHECK_EQUAL(player.shown.size(), 19u);  // what was not decoded is not shown
  CHECK_EQUAL(nvsim_calls("cuvidDecodePicture"), 20u);
}

TEST(an_asynchronous_fault_is_sticky) {
  harness::start();
  CHECK_EQUAL(nvsim_fault_add("cuvidDecodePicture@1!CUDA_ERROR_ILLEGAL_ADDRESS"), 0);
  Player player;
  player.play();
  CUdeviceptr address = 0;
  CHECK_EQUAL(player.map(0, nullptr, address), CUDA_ERROR_ILLEGAL_ADDRESS);
  CHECK_EQUAL(cuMemAlloc(&address, 4096), CUDA_ERROR_ILLEGAL_ADDRESS);
  CHECK_OK(player.destroy());  // cleaning up works
}

TEST(what_is_not_simulated_fails_by_name) {
  harness::start();
  CUVIDPARSERPARAMS params{};
  params.CodecType = cudaVideoCodec_VP9;
  CUvideoparser parser = nullptr;
  CHECK_EQUAL(CUVID(cuvidCreateVideoParser)(&parser, &params), CUDA_ERROR_NOT_SUPPORTED);
  CHECK(harness::reported("a parser for this codec"));
  Player player;
  player.play();
  CUVIDDECODECREATEINFO info = player.info;
  info.ulTargetWidth /= 2;
  CUvideodecoder scaled = nullptr;
  CHECK_EQUAL(CUVID(cuvidCreateDecoder)(&scaled, &info), CUDA_ERROR_NOT_SUPPORTED);
  CHECK(harness::reported("scaling by the decoder"));
}

TEST(reconfigures_within_what_it_was_made_for) {
  harness::start();
  Player player;
  player.play();
  CUVIDRECONFIGUREDECODERINFO info{};
  info.ulWidth = info.ulTargetWidth = 176;
  info.ulHeight = info.ulTargetHeight = 144;
  info.ulNumDecodeSurfaces = 5;
  info.display_area.right = 176;
  info.display_area.bottom = 144;
  CHECK_EQUAL(CUVID(cuvidReconfigureDecoder)(player.decoder, &info), CUDA_ERROR_INVALID_VALUE);
  info.ulWidth = info.ulTargetWidth = 96;
  info.ulHeight = info.ulTargetHeight = 64;
  info.display_area.right = 96;
  info.display_area.bottom = 64;
  CHECK_OK(CUVID(cuvidReconfigureDecoder)(player.decoder, &info));
  CHECK_EQUAL(nvsim_counter("decoder.reconfigured"), 1);
  CHECK_EQUAL(nvsim_counter("decoder.created"), 1);
}

TEST(a_thousand_decoders_leave_nothing_behind) {
  harness::start();
  Player player;
  player.play();
  const int64_t before = nvsim_counter("memory.bytes");
  for (int i = 0; i < 1000; i++) {
    CUvideodecoder decoder = nullptr;
    CHECK_OK(CUVID(cuvidCreateDecoder)(&decoder, &player.info));
    CHECK_OK(CUVID(cuvidDestroyDecoder)(decoder));
  }
  CHECK_EQUAL(nvsim_counter("memory.bytes"), before);
  CHECK_EQUAL(nvsim_counter("decoder.created"), 1001);
}
