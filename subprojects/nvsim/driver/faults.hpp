// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Injected faults: which call of which function fails, and how. Pure C++, a leaf lock of its own.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nvsim {

struct Fault {
  enum class Kind { fail, fail_later, skip };
  Kind kind = Kind::fail;
  int code = 0;
};

class Faults {
 public:
  // As nvsim_fault_add. False when any rule of `spec` is not understood; then none is added.
  bool add(std::string_view spec);
  void clear();

  // Counts a call; what is to happen to it, if anything. The rule added first wins.
  std::optional<Fault> on_call(std::string_view function);

 private:
  struct Rule {
    std::string function;
    unsigned long first = 1;  // the call that it strikes, counted from when the rule was added
    bool and_after = false;
    Fault fault;
    unsigned long calls = 0;
  };
  static std::optional<Rule> parse(std::string_view text);

  std::mutex mutex_;  // guards rules_
  std::vector<Rule> rules_;
};

// The CUresult of a name such as "CUDA_ERROR_OUT_OF_MEMORY", of the same without "CUDA_ERROR_", or
// of a number.
std::optional<int> result_code(std::string_view name);
// Null for a number that is no CUresult.
const char *result_name(int code);
// Errors after which a real driver refuses all further work of the process.
bool is_sticky(int code);

}  // namespace nvsim
