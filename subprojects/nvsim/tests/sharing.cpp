// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Memory and events shared between processes, virtual memory, stream-ordered allocation.
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <functional>

#include "harness.hpp"

using harness::make_event;
using harness::make_memory;
using harness::make_stream;
using harness::reported;
using harness::start;

namespace {

constexpr std::size_t kGranule = std::size_t{2} << 20;

CUmemAllocationProp properties(int device = 0) {
  CUmemAllocationProp prop{};
  prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  prop.location.id = device;
  prop.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
  return prop;
}

CUresult set_access(CUdeviceptr address, std::size_t size,
                    CUmemAccess_flags flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE) {
  CUmemAccessDesc access{};
  access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  access.flags = flags;
  return cuMemSetAccess(address, size, &access, 1);
}

CUdeviceptr map(CUmemGenericAllocationHandle handle, std::size_t size,
                CUmemAccess_flags flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE) {
  CUdeviceptr address = 0;
  CHECK_OK(cuMemAddressReserve(&address, size, 0, 0, 0));
  CHECK_OK(cuMemMap(address, size, 0, handle, 0));
  CHECK_OK(set_access(address, size, flags));
  return address;
}

unsigned char byte_at(CUdeviceptr address) {
  unsigned char value = 0;
  CHECK_OK(cuMemcpyDtoH(&value, address, 1));
  return value;
}

// A second process that runs the driver for itself, with a socket to the first. Forked before
// either uses the driver.
class Peer {
 public:
  explicit Peer(const std::function<void(int)> &run) {
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
    pid_ = fork();
    if (pid_ == 0) {
      close(ends[0]);
      run(ends[1]);
      std::exit(0);
    }
    close(ends[1]);
    socket_ = ends[0];
  }
  int socket() const { return socket_; }
  void expect_success() const {
    int status = 0;
    waitpid(pid_, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }

 private:
  pid_t pid_ = 0;
  int socket_ = -1;
};

template <typename T>
void tell(int socket, const T &value) {
  CHECK(write(socket, &value, sizeof value) == static_cast<ssize_t>(sizeof value));
}
template <typename T>
T hear(int socket) {
  T value{};
  CHECK(read(socket, &value, sizeof value) == static_cast<ssize_t>(sizeof value));
  return value;
}

void send_fd(int socket, int fd) {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  CHECK(sendmsg(socket, &message, 0) == 1);
}

int receive_fd(int socket) {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  CHECK(recvmsg(socket, &message, 0) == 1);
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return fd;
}

void *as_handle(int fd) {
  return reinterpret_cast<void *>(static_cast<std::intptr_t>(fd));
}

}  // namespace

TEST(physical_memory_is_used_where_it_is_mapped) {
  start();
  const CUmemAllocationProp prop = properties();
  CUmemGenericAllocationHandle handle = 0;
  CHECK_OK(cuMemCreate(&handle, kGranule, &prop, 0));
  const CUdeviceptr one = map(handle, kGranule);
  const CUdeviceptr two = map(handle, kGranule);
  CHECK_OK(cuMemsetD8(one, 7, kGranule));
  CHECK_EQUAL(byte_at(two + 12345), 7);
  CHECK_OK(cuMemRelease(handle));
  CHECK_EQUAL(byte_at(one), 7);
  CHECK_OK(cuMemUnmap(one, kGranule));
  CHECK_EQUAL(nvsim_counter("memory.bytes"), long{kGranule});
  CHECK_OK(cuMemUnmap(two, kGranule));
  CHECK_EQUAL(nvsim_counter("memory.bytes"), 0);
  CHECK_OK(cuMemAddressFree(one, kGranule));
  CHECK_OK(cuMemAddressFree(two, kGranule));
  CHECK_EQUAL(nvsim_violations(), 0);
}

TEST(unmapped_memory_is_an_illegal_address) {
  start();
  const CUmemAllocationProp prop = properties();
  CUmemGenericAllocationHandle handle = 0;
  CHECK_OK(cuMemCreate(&handle, kGranule, &prop, 0));
  const CUdeviceptr address = map(handle, kGranule);
  const CUstream stream = make_stream();
  CHECK_EQUAL(nvsim_hold(stream, 1), 0);
  CHECK_OK(cuMemsetD8Async(address, 1, kGranule, stream));
  CHECK_OK(cuMemUnmap(address, kGranule));
  CHECK_EQUAL(nvsim_step(stream, 1), 1);
  CHECK_EQUAL(cuStreamSynchronize(stream), CUDA_ERROR_ILLEGAL_ADDRESS);
  CHECK(reported("after cuMemUnmap"));
}

TEST(granules_and_gaps_are_checked) {
  start();
  const CUmemAllocationProp prop = properties();
  CUmemGenericAllocationHandle handle = 0;
  CHECK_EQUAL(cuMemCreate(&handle, 4096, &prop, 0), CUDA_ERROR_INVALID_VALUE);
  CHECK_OK(cuMemCreate(&handle, kGranule, &prop, 0));
  CUdeviceptr address = 0;
  CHECK_OK(cuMemAddressReserve(&address, 2 * kGranule, 0, 0, 0));
  CHECK_EQUAL(cuMemMap(address, 2 * kGranule, 0, handle, 0), CUDA_ERROR_NOT_SUPPORTED);
  CHECK_OK(cuMemMap(address, kGranule, 0, handle, 0));
  CHECK_EQUAL(cuMemMap(address, kGranule, 0, handle, 0), CUDA_ERROR_INVALID_VALUE);
  CHECK_EQUAL(set_access(address, 2 * kGranule), CUDA_ERROR_INVALID_VALUE);
  CHECK_EQUAL(cuMemsetD8(address, 0, 16), CUDA_ERROR_INVALID_VALUE);
  CHECK_OK(set_access(address, kGranule));
  CHECK_OK(cuMemsetD8(address, 0, 16));
  CHECK_EQUAL(cuMemAddressFree(address, 2 * kGranule), CUDA_ERROR_INVALID_VALUE);
  CHECK_OK(cuMemUnmap(address, 2 * kGranule));
  CHECK_OK(cuMemAddressFree(address, 2 * kGranule));
}

TEST(races_are_seen_through_two_mappings_of_one_memory) {
  start();
  const CUmemAllocationProp prop = properties();
  CUmemGenericAllocationHandle handle = 0;
  CHECK_OK(cuMemCreate(&handle, kGranule, &prop, 0));
  const CUdeviceptr one = map(handle, kGranule);
  const CUdeviceptr two = map(handle, kGranule);
  const CUstream first = make_stream();
  const CUstream second = make_stream();
  nvsim_hold_all(1);
  CHECK_OK(cuMemsetD8Async(one, 1, 4096, first));
  CHECK_OK(cuMemsetD8Async(two + 4096, 1, 4096, second));
  CHECK_EQUAL(nvsim_violations(), 0);
  CHECK_OK(cuMemsetD8Async(two, 1, 4096, second));
  CHECK_EQUAL(nvsim_violations(), 1);
  nvsim_hold_all(0);
}

TEST(an_importer_reads_on_after_the_exporter_died) {
  Peer exporter([](int socket) {
    start();
    const CUmemAllocationProp prop = properties();
    CUmemGenericAllocationHandle handle = 0;
    CHECK_OK(cuMemCreate(&handle, kGranule, &prop, 0));
    CHECK_OK(cuMemsetD8(map(handle, kGranule), 42, kGranule));
    CHECK_OK(cuCtxSynchronize());
    int fd = -1;
    CHECK_OK(
        cuMemExportToShareableHandle(&fd, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
    send_fd(socket, fd);
    _exit(0);
  });
  const int fd = receive_fd(exporter.socket());
  exporter.expect_success();
  start();
  CUmemGenericAllocationHandle handle = 0;
  CHECK_OK(cuMemImportFromShareableHandle(&handle, as_handle(fd),
                                          CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR));
  close(fd);
  const CUdeviceptr address = map(handle, kGranule, CU_MEM_ACCESS_FLAGS_PROT_READ);
  CHECK_EQUAL(byte_at(address + 99), 42);
  CHECK_EQUAL(nvsim_violations(), 0);
}

TEST(a_descriptor_that_is_no_memory_is_refused) {
  start();
  int ends[2];
  CHECK(pipe(ends) == 0);
  // Memory, but none of a driver's: its size alone would do.
  const int plain = memfd_create("plain", MFD_CLOEXEC);
  constexpr std::uint64_t kPage = 4096;
  const std::uint64_t claims[] = {0, kGranule};
  CHECK(ftruncate(plain, kGranule + kPage) == 0);
  CHECK(pwrite(plain, claims, sizeof claims, kGranule) == sizeof claims);
  for (const int descriptor : {ends[0], plain}) {
    CUmemGenericAllocationHandle handle = 0;
    CHECK_EQUAL(cuMemImportFromShareableHandle(&handle, as_handle(descriptor),
                                               CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR),
                CUDA_ERROR_UNKNOWN);
  }
}

TEST(legacy_handles_share_memory_and_events) {
  struct Handles {
    CUipcMemHandle memory;
    CUipcEventHandle written;
    CUipcEventHandle read;
  };
  Peer reader([](int socket) {
    const auto handles = hear<Handles>(socket);
    start();
    CUdeviceptr memory = 0;
    CUevent written = nullptr;
    CUevent read = nullptr;
    CHECK_OK(cuIpcOpenMemHandle(&memory, handles.memory, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
    CHECK_OK(cuIpcOpenEventHandle(&written, handles.written));
    CHECK_OK(cuIpcOpenEventHandle(&read, handles.read));
    const CUstream stream = make_stream();
    CHECK_EQUAL(cuEventQuery(written), CUDA_ERROR_NOT_READY);
    void *out = nullptr;
    CHECK_OK(cuMemAllocHost(&out, 5000));
    CHECK_OK(cuStreamWaitEvent(stream, written, 0));
    CHECK_OK(cuMemcpyDtoHAsync(out, memory, 5000, stream));
    CHECK_OK(cuEventRecord(read, stream));
    tell(socket, 'q');  // queued: the writer may go on
    CHECK_OK(cuEventSynchronize(read));
    CHECK_EQUAL(static_cast<unsigned char *>(out)[4999], 5);
    CHECK_OK(cuIpcCloseMemHandle(memory));
    CHECK_EQUAL(nvsim_violations(), 0);
  });
  start();
  const CUstream stream = make_stream();
  constexpr unsigned flags = CU_EVENT_INTERPROCESS | CU_EVENT_DISABLE_TIMING;
  const CUdeviceptr memory = make_memory(5000);
  const CUevent written = make_event(flags);
  const CUevent read = make_event(flags);
  Handles handles{};
  CHECK_OK(cuIpcGetMemHandle(&handles.memory, memory));
  CHECK_OK(cuIpcGetEventHandle(&handles.written, written));
  CHECK_OK(cuIpcGetEventHandle(&handles.read, read));
  CHECK_EQUAL(nvsim_hold(stream, 1), 0);
  CHECK_OK(cuMemsetD8Async(memory, 5, 5000, stream));
  CHECK_OK(cuEventRecord(written, stream));
  tell(reader.socket(), handles);
  CHECK_EQUAL(hear<char>(reader.socket()), 'q');
  CHECK_EQUAL(cuEventQuery(read), CUDA_ERROR_NOT_READY);
  CHECK_EQUAL(nvsim_hold(stream, 0), 0);
  CHECK_OK(cuEventSynchronize(read));
  reader.expect_success();
}

TEST(memory_opened_twice_is_closed_twice) {
  Peer exporter([](int socket) {
    start();
    CUipcMemHandle handle{};
    CHECK_OK(cuIpcGetMemHandle(&handle, make_memory(16)));
    tell(socket, handle);
    hear<char>(socket);
  });
  const auto handle = hear<CUipcMemHandle>(exporter.socket());
  start();
  CUdeviceptr one = 0;
  CUdeviceptr two = 0;
  CHECK_OK(cuIpcOpenMemHandle(&one, handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
  CHECK_OK(cuIpcOpenMemHandle(&two, handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
  CHECK_EQUAL(one, two);
  CHECK_EQUAL(nvsim_counter("ipc.open"), 1);
  CHECK_OK(cuIpcCloseMemHandle(one));
  CHECK_OK(cuMemsetD8(one, 0, 16));
  CHECK_OK(cuIpcCloseMemHandle(one));
  CHECK_EQUAL(nvsim_counter("ipc.open"), 0);
  CHECK_EQUAL(cuIpcCloseMemHandle(one), CUDA_ERROR_INVALID_VALUE);
  tell(exporter.socket(), 'x');
  exporter.expect_success();
}

TEST(an_own_handle_is_not_opened) {
  start();
  CUipcMemHandle handle{};
  CUdeviceptr memory = make_memory(16);
  CHECK_OK(cuIpcGetMemHandle(&handle, memory));
  CHECK_EQUAL(cuIpcOpenMemHandle(&memory, handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS),
              CUDA_ERROR_INVALID_CONTEXT);
}

TEST(an_event_of_a_dead_process_stays_pending) {
  Peer recorder([](int socket) {
    start();
    const CUevent event = make_event(CU_EVENT_INTERPROCESS | CU_EVENT_DISABLE_TIMING);
    CUipcEventHandle handle{};
    CHECK_OK(cuIpcGetEventHandle(&handle, event));
    const CUstream stream = make_stream();
    CHECK_EQUAL(nvsim_hold(stream, 1), 0);
    CHECK_OK(cuEventRecord(event, stream));
    tell(socket, handle);
    hear<char>(socket);
    _exit(0);
  });
  start();
  CUevent event = nullptr;
  CHECK_OK(cuIpcOpenEventHandle(&event, hear<CUipcEventHandle>(recorder.socket())));
  const CUstream stream = make_stream();
  CHECK_OK(cuStreamWaitEvent(stream, event, 0));
  tell(recorder.socket(), 'x');
  recorder.expect_success();
  CHECK_EQUAL(cuEventQuery(event), CUDA_ERROR_NOT_READY);
  CHECK_EQUAL(cuStreamQuery(stream), CUDA_ERROR_NOT_READY);
}

TEST(stream_ordered_memory_ends_when_the_stream_gets_there) {
  start();
  const CUstream stream = make_stream();
  CUdeviceptr memory = 0;
  CHECK_EQUAL(nvsim_hold(stream, 1), 0);
  CHECK_OK(cuMemAllocAsync(&memory, 4096, stream));
  CHECK_OK(cuMemsetD8Async(memory, 1, 4096, stream));
  CHECK_OK(cuMemFreeAsync(memory, stream));
  CHECK_EQUAL(cuMemFreeAsync(memory, stream), CUDA_ERROR_INVALID_VALUE);
  CHECK_EQUAL(cuMemsetD8Async(memory, 1, 4096, stream), CUDA_ERROR_INVALID_VALUE);
  CHECK_EQUAL(nvsim_violations(), 2);
  nvsim_report_clear();
  CHECK_EQUAL(nvsim_counter("memory.live"), 1);
  CHECK_EQUAL(nvsim_step(stream, 3), 3);
  CHECK_EQUAL(nvsim_counter("memory.live"), 0);
  CHECK_EQUAL(nvsim_violations(), 0);
}

TEST(stream_ordered_memory_used_elsewhere_without_a_wait_races) {
  start();
  const CUstream one = make_stream();
  const CUstream two = make_stream();
  CUdeviceptr memory = 0;
  nvsim_hold_all(1);
  CHECK_OK(cuMemAllocAsync(&memory, 4096, one));
  CHECK_OK(cuMemsetD8Async(memory, 1, 4096, two));
  CHECK_EQUAL(nvsim_violations(), 1);
  CHECK(reported("'cuMemAllocAsync'"));
  nvsim_hold_all(0);
}

TEST(a_free_that_does_not_wait_for_another_streams_use_races) {
  start();
  const CUstream one = make_stream();
  const CUstream two = make_stream();
  CUdeviceptr memory = 0;
  CHECK_OK(cuMemAllocAsync(&memory, 4096, one));
  CHECK_OK(cuStreamSynchronize(one));
  nvsim_hold_all(1);
  CHECK_OK(cuMemsetD8Async(memory, 1, 4096, two));
  CHECK_OK(cuMemFreeAsync(memory, one));
  CHECK_EQUAL(nvsim_violations(), 1);
  CHECK(reported("'cuMemFreeAsync'"));
}
