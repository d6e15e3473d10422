// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "bifrost/core/result.hpp"
#include "bifrost/core/stop_signal.hpp"
#include "chain_source.hpp"

namespace bifrost {

/// `bifrost fit`: forward, smile, quality and quantiles of every expiry of a chain.
struct FitOptions {
  ChainSource source;
  std::optional<api::ExerciseStyle> style;  // none: by the underlying
  std::optional<double> rate;
  bool json = false;
};

/// Adds the verb to `app`; when it is parsed it becomes `work`.
void add_fit_command(CLI::App& app, const std::string& env_file, FitOptions& options,
                     const core::StopSignal& stop, std::function<core::Result<void>()>& work);

}  // namespace bifrost
