// SPDX-License-Identifier: LGPL-2.1-or-later
/// ffmpeg [STREAMS [SECONDS [WIDTH HEIGHT]]]: frames a second of FFmpeg's h264_cuvid with frames
/// left on the GPU, as JSON on stdout: the decoder that programs without GStreamer use. 77 where it
/// cannot be used.
extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/hwcontext.h>
}
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include "clip.hpp"

namespace {

using cudacam::bench::Clip;

struct CodecFree {
  void operator()(AVCodecContext *it) const { avcodec_free_context(&it); }
};
struct FrameFree {
  void operator()(AVFrame *it) const { av_frame_free(&it); }
};
struct PacketFree {
  void operator()(AVPacket *it) const { av_packet_free(&it); }
};

void need(int result, const char *what) {
  if (result < 0) throw std::runtime_error(std::string(what) + " failed");
}

AVPixelFormat keep_on_gpu(AVCodecContext *, const AVPixelFormat *) {
  return AV_PIX_FMT_CUDA;
}

constexpr auto kLongestStart = std::chrono::minutes(1);

void decode(const Clip &clip, AVBufferRef *device, std::atomic<std::uint64_t> &frames,
            const std::atomic<bool> &stop) {
  const AVCodec *codec = avcodec_find_decoder_by_name("h264_cuvid");
  const std::unique_ptr<AVCodecContext, CodecFree> context(avcodec_alloc_context3(codec));
  context->hw_device_ctx = av_buffer_ref(device);
  context->get_format = keep_on_gpu;
  context->pkt_timebase = {1, 30};
  need(avcodec_open2(context.get(), codec, nullptr), "avcodec_open2");
  const std::unique_ptr<AVFrame, FrameFree> frame(av_frame_alloc());
  const std::unique_ptr<AVPacket, PacketFree> packet(av_packet_alloc());
  for (std::uint64_t i = 0; !stop; ++i) {
    GstMapInfo map;
    GstBuffer *picture = clip.pictures[i % clip.pictures.size()].get();
    gst_buffer_map(picture, &map, GST_MAP_READ);
    need(av_new_packet(packet.get(), int(map.size)), "av_new_packet");
    std::copy(map.data, map.data + map.size, packet->data);
    gst_buffer_unmap(picture, &map);
    packet->pts = static_cast<std::int64_t>(i);
    int result;
    while ((result = avcodec_send_packet(context.get(), packet.get())) == AVERROR(EAGAIN) ||
           result == 0) {
      while (avcodec_receive_frame(context.get(), frame.get()) == 0) ++frames;
      if (result == 0) break;
    }
    need(result, "avcodec_send_packet");
    av_packet_unref(packet.get());
  }
}

}  // namespace

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  const int streams = argc > 1 ? std::atoi(argv[1]) : 16;
  const double seconds = argc > 2 ? std::atof(argv[2]) : 3;
  const int width = argc > 4 ? std::atoi(argv[3]) : 1920;
  const int height = argc > 4 ? std::atoi(argv[4]) : 1080;
  AVBufferRef *device = nullptr;
  if (!avcodec_find_decoder_by_name("h264_cuvid") ||
      av_hwdevice_ctx_create(&device, AV_HWDEVICE_TYPE_CUDA, nullptr, nullptr, 0) < 0) {
    std::fprintf(stderr, "skipped: this FFmpeg cannot decode on this GPU\n");
    return 77;
  }
  try {
    const Clip clip = cudacam::bench::encode_clip(width, height, 60);
    std::vector<std::atomic<std::uint64_t>> frames(static_cast<std::size_t>(streams));
    std::atomic<bool> stop{false};
    std::atomic<int> failed{0};
    std::vector<std::thread> threads;
    for (auto &own : frames)
      threads.emplace_back([&] {
        try {
          decode(clip, device, own, stop);
        } catch (const std::exception &failure) {
          std::fprintf(stderr, "ffmpeg: %s\n", failure.what());
          ++failed;
        }
      });
    const auto pass = [](double time) {
      std::this_thread::sleep_for(std::chrono::duration<double>(time));
    };
    const auto all = [&] {
      return std::accumulate(frames.begin(), frames.end(), std::uint64_t{0});
    };
    const auto give_up = std::chrono::steady_clock::now() + kLongestStart;
    while (!failed && std::find(frames.begin(), frames.end(), 0u) != frames.end()) {
      if (std::chrono::steady_clock::now() > give_up) ++failed;
      pass(0.05);
    }
    if (!failed) pass(1);
    const std::uint64_t before = all();
    const auto begin = std::chrono::steady_clock::now();
    if (!failed) pass(seconds);
    const std::uint64_t after = all();
    const double took =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    stop = true;
    for (std::thread &thread : threads) thread.join();
    av_buffer_unref(&device);
    if (failed) {
      std::fprintf(stderr, "ffmpeg: a stream gave no frames\n");
      return 1;
    }
    const nlohmann::json result = {
        {"decoder", "h264_cuvid"}, {"libavcodec", av_version_info()},
        {"streams", streams},      {"width", width},
        {"height", height},        {"frames-per-second", double(after - before) / took}};
    std::printf("%s\n", result.dump(2).c_str());
    return 0;
  } catch (const std::exception &failure) {
    std::fprintf(stderr, "ffmpeg: %s\n", failure.what());
    return 1;
  }
}
