// SPDX-License-Identifier: LGPL-2.1-or-later
#include "trace.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace {

template <typename Function>
Function *symbol(const char *library, const char *name) {
  void *handle = dlopen(library, RTLD_NOW | RTLD_GLOBAL);
  if (handle == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    std::exit(77);
  }
  void *address = dlsym(handle, name);
  if (address == nullptr) throw std::runtime_error(std::string(name) + " is missing");
  return reinterpret_cast<Function *>(address);
}

#define CUDA(type, name) symbol<type>("libcuda.so.1", name)
#define CUVID(name) symbol<t##name>("libnvcuvid.so.1", #name)

uint32_t checksum(uint32_t sum, const uint8_t *data, size_t size) {
  for (size_t i = 0; i < size; i++) sum = (sum ^ data[i]) * 16777619u;  // FNV-1a
  return sum;
}

void print_h264(const CUVIDPICPARAMS &p) {
  const CUVIDH264PICPARAMS &h = p.CodecSpecific.h264;
  std::printf(" bytes=%u,%08x at=", p.nBitstreamDataLen,
              checksum(2166136261u, p.pBitstreamData, p.nBitstreamDataLen));
  for (unsigned i = 0; i < p.nNumSlices; i++)
    std::printf("%s%u", i ? "," : "", p.pSliceDataOffsets[i]);
  std::printf(" sps=%d,%d,%d,%d,%d,%d,%d,%d,%d,%d", h.log2_max_frame_num_minus4,
              h.pic_order_cnt_type, h.log2_max_pic_order_cnt_lsb_minus4,
              h.delta_pic_order_always_zero_flag, h.frame_mbs_only_flag,
              h.direct_8x8_inference_flag, h.num_ref_frames, h.bit_depth_luma_minus8,
              h.bit_depth_chroma_minus8, h.qpprime_y_zero_transform_bypass_flag);
  std::printf(" pps=%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d", h.entropy_coding_mode_flag,
              h.pic_order_present_flag, h.num_ref_idx_l0_active_minus1,
              h.num_ref_idx_l1_active_minus1, h.weighted_pred_flag, h.weighted_bipred_idc,
              h.pic_init_qp_minus26, h.deblocking_filter_control_present_flag,
              h.redundant_pic_cnt_present_flag, h.transform_8x8_mode_flag, h.MbaffFrameFlag,
              h.constrained_intra_pred_flag, h.chroma_qp_index_offset,
              h.second_chroma_qp_index_offset);
  std::printf(" weights=%08x ref=%d num=%d poc=%d,%d",
              checksum(checksum(2166136261u, h.WeightScale4x4[0], sizeof h.WeightScale4x4),
                       h.WeightScale8x8[0], sizeof h.WeightScale8x8),
              h.ref_pic_flag, h.frame_num, h.CurrFieldOrderCnt[0], h.CurrFieldOrderCnt[1]);
  for (const CUVIDH264DPBENTRY &e : h.dpb) {
    if (e.PicIdx < 0) continue;
    std::printf(" [%d num=%d long=%d gone=%d used=%d poc=%d,%d]", e.PicIdx, e.FrameIdx,
                e.is_long_term, e.not_existing, e.used_for_reference, e.FieldOrderCnt[0],
                e.FieldOrderCnt[1]);
  }
}

void print_hevc(const CUVIDPICPARAMS &p) {
  const CUVIDHEVCPICPARAMS &h = p.CodecSpecific.hevc;
  std::printf(" bytes=%u,%08x irap=%d idr=%d poc=%d rps=%d,%d,%d,%d bits=%d,%d",
              p.nBitstreamDataLen, checksum(2166136261u, p.pBitstreamData, p.nBitstreamDataLen),
              h.IrapPicFlag, h.IdrPicFlag, h.CurrPicOrderCntVal, h.NumPocTotalCurr,
              h.NumPocStCurrBefore, h.NumPocStCurrAfter, h.NumPocLtCurr,
              h.NumBitsForShortTermRPSInSlice, h.NumDeltaPocsOfRefRpsIdx);
  for (int i = 0; i < 16; i++)
    if (h.RefPicIdx[i] >= 0)
      std::printf(" [%d poc=%d long=%d]", h.RefPicIdx[i], h.PicOrderCntVal[i], h.IsLongTerm[i]);
}

}  // namespace

Trace::Trace(const Settings &settings) : settings_(settings) {
  CUDA(CUresult(unsigned), "cuInit")(0);
  CUcontext context;
  if (CUDA(CUresult(CUcontext *, unsigned, CUdevice), "cuCtxCreate_v2")(&context, 0, 0) != 0)
    throw std::runtime_error("no context");
  CUVIDPARSERPARAMS params{};
  params.CodecType = codec();
  params.ulMaxNumDecodeSurfaces = 1;
  params.ulErrorThreshold = 100;
  params.ulMaxDisplayDelay = settings.number("delay");
  params.ulClockRate = 1000;
  params.pUserData = this;
  params.pfnSequenceCallback = [](void *self, CUVIDEOFORMAT *format) {
    return static_cast<Trace *>(self)->sequence(*format);
  };
  params.pfnDecodePicture = [](void *self, CUVIDPICPARAMS *picture) {
    return static_cast<Trace *>(self)->decode(*picture);
  };
  params.pfnDisplayPicture = [](void *self, CUVIDPARSERDISPINFO *info) {
    return static_cast<Trace *>(self)->display(info);
  };
  const CUresult result = CUVID(cuvidCreateVideoParser)(&parser_, &params);
  if (result != 0) throw std::runtime_error("no parser: " + std::to_string(result));
}

Trace::~Trace() {
  CUVID(cuvidDestroyVideoParser)(parser_);
  if (decoder_ != nullptr) CUVID(cuvidDestroyDecoder)(decoder_);
}

void Trace::feed(const Bytes &unit) {
  const size_t chunk = settings_.number("chunk") > 0 ? settings_.number("chunk") : unit.size();
  for (size_t at = 0; at < unit.size(); at += chunk) {
    const size_t size = std::min(chunk, unit.size() - at);
    unsigned long flags = next_flags_ | (settings_.number("pts") ? CUVID_PKT_TIMESTAMP : 0);
    if (settings_.number("eop") && at + size == unit.size()) flags |= CUVID_PKT_ENDOFPICTURE;
    parse(unit.data() + at, size, flags);
    next_flags_ = 0;
  }
  time_ += 40;
}

void Trace::caps() {
  for (int codec = 0; codec < cudaVideoCodec_NumCodecs; codec++) {
    for (int chroma : {cudaVideoChromaFormat_Monochrome, cudaVideoChromaFormat_420,
                       cudaVideoChromaFormat_422, cudaVideoChromaFormat_444}) {
      for (unsigned depth : {0u, 2u, 4u}) {
        CUVIDDECODECAPS caps{};
        caps.eCodecType = static_cast<cudaVideoCodec>(codec);
        caps.eChromaFormat = static_cast<cudaVideoChromaFormat>(chroma);
        caps.nBitDepthMinus8 = depth;
        const CUresult result = CUVID(cuvidGetDecoderCaps)(&caps);
        if (!caps.bIsSupported && result == 0 && codec != cudaVideoCodec_H264) continue;
        std::printf(
            "caps codec=%d chroma=%d depth=%u -> %d supported=%d engines=%d formats=%#x "
            "max=%ux%u blocks=%u min=%ux%u histogram=%d,%d,%d\n",
            codec, chroma, depth + 8, result, caps.bIsSupported, caps.nNumNVDECs,
            caps.nOutputFormatMask, caps.nMaxWidth, caps.nMaxHeight, caps.nMaxMBCount,
            caps.nMinWidth, caps.nMinHeight, caps.bIsHistogramSupported, caps.nCounterBitDepth,
            caps.nMaxHistogramBins);
      }
    }
  }
}

void Trace::parse(const uint8_t *data, size_t size, unsigned long flags) {
  CUVIDSOURCEDATAPACKET packet{};
  packet.flags = flags;
  packet.payload = data;
  packet.payload_size = size;
  packet.timestamp = flags & CUVID_PKT_TIMESTAMP ? time_ : 0;
  std::printf("packet %zu flags=%#lx time=%lld\n", size, flags, packet.timestamp);
  const CUresult result = CUVID(cuvidParseVideoData)(parser_, &packet);
  if (result != 0) std::printf("  result %d\n", result);
}

int Trace::sequence(const CUVIDEOFORMAT &f) {
  const auto &v = f.video_signal_description;
  std::printf(
      "  sequence codec=%d %ux%u show=%d,%d,%d,%d surfaces=%d progressive=%d depth=%d,%d "
      "chroma=%d rate=%u/%u bitrate=%u aspect=%d:%d signal=%d,%d,%d,%d,%d header=%u\n",
      f.codec, f.coded_width, f.coded_height, f.display_area.left, f.display_area.top,
      f.display_area.right, f.display_area.bottom, f.min_num_decode_surfaces,
      f.progressive_sequence, f.bit_depth_luma_minus8, f.bit_depth_chroma_minus8, f.chroma_format,
      f.frame_rate.numerator, f.frame_rate.denominator, f.bitrate, f.display_aspect_ratio.x,
      f.display_aspect_ratio.y, v.video_format, v.video_full_range_flag, v.color_primaries,
      v.transfer_characteristics, v.matrix_coefficients, f.seqhdr_data_length);
  const std::string &wish = settings_.values.at("surfaces");
  const int surfaces = wish == "min" ? f.min_num_decode_surfaces : std::stoi(wish);
  if (settings_.number("decode")) make_decoder(f, surfaces);
  return surfaces;
}

void Trace::make_decoder(const CUVIDEOFORMAT &f, int surfaces) {
  if (decoder_ != nullptr) CUVID(cuvidDestroyDecoder)(decoder_);
  CUVIDDECODECREATEINFO info{};
  info.ulWidth = f.coded_width;
  info.ulHeight = f.coded_height;
  info.ulNumDecodeSurfaces = surfaces;
  info.CodecType = f.codec;
  info.ChromaFormat = f.chroma_format;
  info.bitDepthMinus8 = f.bit_depth_luma_minus8;
  info.display_area = {short(f.display_area.left), short(f.display_area.top),
                       short(f.display_area.right), short(f.display_area.bottom)};
  info.OutputFormat =
      f.bit_depth_luma_minus8 ? cudaVideoSurfaceFormat_P016 : cudaVideoSurfaceFormat_NV12;
  info.ulTargetWidth = f.display_area.right - f.display_area.left;
  info.ulTargetHeight = f.display_area.bottom - f.display_area.top;
  info.ulNumOutputSurfaces = 1;
  const CUresult result = CUVID(cuvidCreateDecoder)(&decoder_, &info);
  if (result != 0) std::printf("  create result %d\n", result);
  info_ = info;
}

int Trace::decode(CUVIDPICPARAMS &p) {
  std::printf("  decode %d size=%dx%d field=%d,%d,%d ref=%d intra=%d slices=%u", p.CurrPicIdx,
              p.PicWidthInMbs, p.FrameHeightInMbs, p.field_pic_flag, p.bottom_field_flag,
              p.second_field, p.ref_pic_flag, p.intra_pic_flag, p.nNumSlices);
  if (!settings_.number("brief")) settings_.hevc() ? print_hevc(p) : print_h264(p);
  std::printf("\n");
  if (decoder_ != nullptr) {
    const CUresult result = CUVID(cuvidDecodePicture)(decoder_, &p);
    if (result != 0) std::printf("  decode result %d\n", result);
  }
  return 1;
}

int Trace::display(const CUVIDPARSERDISPINFO *d) {
  if (d == nullptr) {
    std::printf("  display end\n");
    return 1;
  }
  std::printf("  display %d time=%lld progressive=%d top-first=%d repeat=%d", d->picture_index,
              d->timestamp, d->progressive_frame, d->top_field_first, d->repeat_first_field);
  if (decoder_ != nullptr) print_picture(*d);
  std::printf("\n");
  return 1;
}

void Trace::print_picture(const CUVIDPARSERDISPINFO &d) {
  CUVIDGETDECODESTATUS status{};
  CUVIDPROCPARAMS params{};
  params.progressive_frame = d.progressive_frame;
  params.second_field = d.repeat_first_field + 1;
  params.top_field_first = d.top_field_first;
  params.unpaired_field = d.repeat_first_field < 0;
  unsigned long long address = 0;
  unsigned pitch = 0;
  const CUresult result =
      symbol<CUresult(CUvideodecoder, int, unsigned long long *, unsigned *, CUVIDPROCPARAMS *)>(
          "libnvcuvid.so.1", "cuvidMapVideoFrame64")(decoder_, d.picture_index, &address, &pitch,
                                                     &params);
  if (result != 0) {
    std::printf(" map result %d", result);
    return;
  }
  CUVID(cuvidGetDecodeStatus)(decoder_, d.picture_index, &status);
  const size_t depth = info_.bitDepthMinus8 ? 2 : 1;
  const size_t height = info_.ulTargetHeight, rows = height + (height + 1) / 2;
  Bytes pixels(pitch * rows);
  const CUresult copied = CUDA(CUresult(void *, CUdeviceptr, size_t), "cuMemcpyDtoH_v2")(
      pixels.data(), address, pixels.size());
  uint32_t luma = 2166136261u, chroma = luma;
  for (size_t y = 0; y < height; y++)
    luma = checksum(luma, &pixels[y * pitch], info_.ulTargetWidth * depth);
  for (size_t y = height; y < rows; y++)
    chroma = checksum(chroma, &pixels[y * pitch], info_.ulTargetWidth * depth);
  std::printf(" pitch=%u luma=%08x chroma=%08x status=%d copy=%d", pitch, luma, chroma,
              status.decodeStatus, copied);
  symbol<CUresult(CUvideodecoder, unsigned long long)>("libnvcuvid.so.1", "cuvidUnmapVideoFrame64")(
      decoder_, address);
}
