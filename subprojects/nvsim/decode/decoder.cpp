// SPDX-License-Identifier: LGPL-2.1-or-later
#include "decode/decoder.hpp"

#include <algorithm>
#include <atomic>

namespace nvsim::decode {

namespace {

unsigned next_number() {
  static std::atomic<unsigned> number{0};
  return ++number;
}

std::string name(const char *what, unsigned number) {
  return what + std::to_string(number);
}

}  // namespace

Decoder::Decoder(std::shared_ptr<Context> context, const CUVIDDECODECREATEINFO &info)
    : context_(std::move(context)), info_(info), number_(next_number()), builder_(info.CodecType) {
  const unsigned depth = static_cast<unsigned>(info.bitDepthMinus8 + 8);
  surface_layout_ = Layout::of(info.ulWidth, info.ulHeight, depth);
  output_layout_ = Layout::of(info.ulTargetWidth, info.ulTargetHeight, depth);
  surfaces_.resize(info.ulNumDecodeSurfaces);
  outputs_.resize(std::max<std::size_t>(1, info.ulNumOutputSurfaces));
  engine_ = std::make_shared<Engine>(info.CodecType, static_cast<unsigned>(surfaces_.size()));
  stream_ = create_stream(context_, name("engine of decoder ", number_));
  try {
    allocate_surfaces();
  } catch (...) {
    free_surfaces();
    throw;
  }
  count("decoder.created");
  count("decoder.live");
  trace("decoder %u: %lux%lu, shown %lux%lu, %zu surfaces", number_, info.ulWidth, info.ulHeight,
        info.ulTargetWidth, info.ulTargetHeight, surfaces_.size());
}

Decoder::~Decoder() = default;

void Decoder::allocate_surfaces() {
  const unsigned depth = static_cast<unsigned>(info_.bitDepthMinus8 + 8);
  const std::size_t width = std::max(info_.ulWidth, info_.ulMaxWidth);
  const std::size_t height = std::max(info_.ulHeight, info_.ulMaxHeight);
  const std::size_t size = Layout::of(width, height, depth).size();
  const std::string owner = name(" of decoder ", number_);
  for (std::size_t i = 0; i < surfaces_.size(); i++)
    surfaces_[i].address = allocate(context_, size, "surface " + std::to_string(i) + owner);
  const std::size_t shown = std::max(size, output_layout_.size());
  for (std::size_t i = 0; i < outputs_.size(); i++)
    outputs_[i].address = allocate(context_, info_.ulMaxWidth > 0 ? shown : output_layout_.size(),
                                   "output slot " + std::to_string(i) + owner);
}

void Decoder::free_surfaces() {
  for (Surface &surface : surfaces_)
    if (surface.address != 0)
      release(std::exchange(surface.address, 0), "cuvidDestroyDecoder", Release::after_pending);
  for (Output &output : outputs_)
    if (output.address != 0)
      release(std::exchange(output.address, 0), "cuvidDestroyDecoder", Release::after_pending);
}

void Decoder::check_context(const Call &call) const {
  if (call.context() == context_) return;
  violation("decoder %u maps a picture without its context being current", number_);
  throw Error{CUDA_ERROR_OUT_OF_MEMORY};  // measured: a real driver says so
}

unsigned Decoder::check_index(int index, const char *what) const {
  if (index >= 0 && static_cast<std::size_t>(index) < surfaces_.size())
    return static_cast<unsigned>(index);
  violation("decoder %u has %zu surfaces; %s is %d", number_, surfaces_.size(), what, index);
  throw Error{CUDA_ERROR_INVALID_VALUE};
}

void Decoder::decode(Call &call, const CUVIDPICPARAMS &params) {
  CodedPicture picture;
  picture.index = check_index(params.CurrPicIdx, "CurrPicIdx");
  if (params.nBitstreamDataLen == 0 || params.pBitstreamData == nullptr)
    throw Error{CUDA_ERROR_INVALID_VALUE};
  picture.second_field = params.second_field != 0;

  const std::lock_guard lock(mutex_);
  builder_.build(params, picture);
  Surface &target = surfaces_[picture.index];
  picture.surface = target.address;
  picture.layout = surface_layout_;

  Work work;
  work.what = name("decoding, decoder ", number_);
  for (const int reference : builder_.references(params)) {
    const Surface &source = surfaces_[check_index(reference, "a reference's PicIdx")];
    if (!source.filled)
      violation("decoder %u: surface %d is a reference and was never decoded into", number_,
                reference);
    if (source.address != target.address) add_reads(work.accesses, source.address, surface_layout_);
  }
  add_writes(work.accesses, target.address, surface_layout_);
  work.after = {target.read_last};
  work.run = [engine = engine_, picture = std::move(picture)] {
    engine->decode(picture);
    return CUDA_SUCCESS;
  };
  engine_->announce(static_cast<unsigned>(params.CurrPicIdx));
  target.decoded = submit(call, stream_, std::move(work));
  target.filled = true;
}

Decoder::Output &Decoder::reserve_output(unsigned surface) {
  for (Output &output : outputs_) {
    if (output.mapped >= 0) continue;
    output.mapped = static_cast<int>(surface);
    return output;
  }
  trace("decoder %u: all %zu output slots are mapped", number_, outputs_.size());
  throw Error{CUDA_ERROR_MAP_FAILED};
}

Decoder::Mapped Decoder::map(Call &call, int index, const CUVIDPROCPARAMS &params) {
  check_context(call);
  const unsigned chosen = check_index(index, "the picture to be mapped");
  const std::shared_ptr<Stream> stream = stream_of(call, params.output_stream);
  Ticket decoded;
  {
    const std::lock_guard lock(mutex_);
    if (!surfaces_[chosen].filled)
      violation("decoder %u: surface %d is mapped and was never decoded into", number_, index);
    for (const Output &output : outputs_)
      if (output.mapped == index)
        return {output.address, static_cast<unsigned>(output_layout_.pitch),
                CUDA_ERROR_ALREADY_MAPPED};
    decoded = surfaces_[chosen].decoded;
  }
  // As on a real driver, mapping waits for the engine.
  if (const CUresult error = wait(decoded); error != CUDA_SUCCESS) throw Error{error};

  const std::lock_guard lock(mutex_);
  Surface &surface = surfaces_[chosen];
  const Output &output = reserve_output(chosen);
  const Layout from = surface_layout_, to = output_layout_;
  const std::size_t left = static_cast<std::size_t>(info_.display_area.left);
  const std::size_t top = static_cast<std::size_t>(info_.display_area.top);
  Work work;
  work.what = name("post-processing, decoder ", number_);
  add_reads(work.accesses, surface.address, from);
  add_writes(work.accesses, output.address, to);
  work.run = [source = surface.address, target = output.address, from, to, left, top] {
    copy_part(host_view(source), from, left, top, host_view(target), to);
    return CUDA_SUCCESS;
  };
  surface.read_last = submit(call, stream, std::move(work));
  return {output.address, static_cast<unsigned>(to.pitch), CUDA_SUCCESS};
}

void Decoder::unmap(CUdeviceptr address) {
  const std::lock_guard lock(mutex_);
  for (Output &output : outputs_) {
    if (output.address != address || output.mapped < 0) continue;
    output.mapped = -1;
    return;
  }
  violation("decoder %u: %#llx is unmapped and not mapped", number_,
            static_cast<unsigned long long>(address));
  throw Error{CUDA_ERROR_NOT_MAPPED};
}

int Decoder::status(int index) const {
  return engine_->status(check_index(index, "the picture asked about"));
}

void Decoder::destroy() {
  const Freeze freeze;
  (void)wait(ticket_of(stream_));
  const std::lock_guard lock(mutex_);
  for (const Output &output : outputs_)
    if (output.mapped >= 0)
      violation("decoder %u is destroyed while %#llx is mapped", number_,
                static_cast<unsigned long long>(output.address));
  free_surfaces();
  stream_.reset();
  count("decoder.destroyed");
  count("decoder.live", -1);
}

}  // namespace nvsim::decode
