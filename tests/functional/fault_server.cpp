// SPDX-License-Identifier: Apache-2.0
#include "fault_server.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <pwd.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fstream>

#include "fault_stage.hpp"

namespace bifrost::test {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

const passwd* server_user() {
  return ::geteuid() == 0 ? ::getpwnam("postgres") : nullptr;
}

fs::path server_program(const fs::path& data) {
  std::ifstream in{data / "PG_VERSION"};
  std::string version;
  std::getline(in, version);
  return fs::path{"/usr/lib/postgresql"} / version / "bin" / "postgres";
}

}  // namespace

void give_to_server_user(const fs::path& path) {
  const auto* user = server_user();
  if (user == nullptr) return;
  if (::lchown(path.c_str(), user->pw_uid, user->pw_gid) != 0) {
    throw std::runtime_error("cannot hand over " + path.string());
  }
}

FaultServer::FaultServer(fs::path folder, Plan plan)
    : folder_(std::move(folder)),
      plan_(std::move(plan)),
      log_(plan_.log.empty() ? fs::path{folder_.string() + ".log"} : plan_.log) {
  {
    auto made = store::PrivateCluster::start(folder_, core::after(60s), {.die_with_starter = true});
    if (!made) throw std::runtime_error(made.error().message);
    url_ = made->url();
    if (!made->stop(core::after(30s))) throw std::runtime_error("the cluster does not stop");
  }
  if (plan_.wal) {
    const auto inside = folder_ / "data" / "pg_wal";
    fs::copy(inside, *plan_.wal, fs::copy_options::recursive);
    for (const auto& entry : fs::recursive_directory_iterator(*plan_.wal)) {
      give_to_server_user(entry.path());
    }
    fs::remove_all(inside);
    fs::create_directory_symlink(*plan_.wal, inside);
    give_to_server_user(inside);
  }
  std::ofstream{log_};
  give_to_server_user(log_);
}

FaultServer::~FaultServer() {
  if (process_ && process_->running()) {
    process_->signal(SIGINT);
    static_cast<void>(process_->wait(core::after(20s)));
  }
}

void FaultServer::start() {
  const auto data = folder_ / "data";
  const auto socket = fs::path{socket_of(url_)}.parent_path();
  std::vector<std::string> arguments;
  fs::path program = server_program(data);
  if (const auto* user = server_user()) {
    arguments = {fmt::format("--reuid={}", user->pw_uid),
                 fmt::format("--regid={}", user->pw_gid),
                 "--clear-groups",
                 "--pdeathsig=INT",
                 "--",
                 program.string()};
    program = "/usr/bin/setpriv";
  }
  arguments.insert(arguments.end(), {"-D", data.string()});
  auto settings = plan_.settings;
  settings.insert(settings.end(),
                  {"listen_addresses=", "unix_socket_directories=" + socket.string(), "port=5432",
                   "timezone=UTC", "log_timezone=UTC", "logging_collector=off"});
  for (const auto& setting : settings) arguments.insert(arguments.end(), {"-c", setting});
  // What a killed server left behind may be in the way for a moment.
  const auto launch = [&] {
    auto started = core::Process::start(
        program, {.arguments = arguments, .environment = plan_.environment, .error_log = log_});
    if (!started) throw std::runtime_error(started.error().message);
    process_.emplace(*std::move(started));
  };
  launch();
  const bool up = wait_until(60s, [&] {
    if (!process_->running()) launch();
    try {
      return Sql{url_}.one("SELECT 1") == "1";
    } catch (const std::runtime_error&) {
      return false;
    }
  });
  if (!up) throw std::runtime_error("the server does not start; log " + log_.string());
}

void FaultServer::stop() {
  process_->signal(SIGINT);
  if (!process_->wait(core::after(60s))) throw std::runtime_error("the server does not stop");
}

void FaultServer::kill() {
  process_->signal(SIGKILL);
  if (!process_->wait(core::after(10s))) throw std::runtime_error("the server does not die");
}

bool FaultServer::log_says(std::string_view text) const {
  std::ifstream in{log_};
  for (std::string line; std::getline(in, line);) {
    if (line.find(text) != std::string::npos) return true;
  }
  return false;
}

QuickFolder::QuickFolder(const std::string& name) {
  const fs::path memory = "/dev/shm";
  parent_ = fs::exists(memory) ? memory / (scratch().filename().string() + "-" + name)
                               : scratch() / (name + "-quick");
  fs::create_directories(parent_);
  path_ = parent_ / "db";
}

QuickFolder::~QuickFolder() {
  std::error_code problem;
  fs::remove_all(parent_, problem);
  if (problem) fmt::print(stderr, "{}: {}\n", parent_.string(), problem.message());
}

std::optional<SmallDisk> SmallDisk::mount(const fs::path& at, int mebibytes) {
  fs::create_directories(at);
  if (::mount("none", at.c_str(), "tmpfs", 0, fmt::format("size={}m", mebibytes).c_str()) != 0) {
    return std::nullopt;
  }
  fs::permissions(at, fs::perms{0700});
  give_to_server_user(at);
  return SmallDisk{at};
}

SmallDisk::~SmallDisk() {
  if (!at_.empty()) ::umount2(at_.c_str(), MNT_DETACH);
}

void SmallDisk::fill() {
  const int file = ::open((at_ / "ballast").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const std::string block(4096, 'x');
  while (::write(file, block.data(), block.size()) > 0) {
  }
  ::close(file);
}

void SmallDisk::empty() {
  fs::remove(at_ / "ballast");
}

}  // namespace bifrost::test
