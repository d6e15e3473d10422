// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/private_cluster.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "pg.hpp"

namespace bifrost::store {
namespace {

namespace fs = std::filesystem;
using core::Deadline;
using core::Errc;
using core::fail;
using core::Result;
using namespace std::chrono_literals;

constexpr std::string_view socket_name = "/.s.PGSQL.5432";
constexpr std::size_t longest_socket_path = 107;  // sun_path without its final zero
constexpr auto poll_step = 20ms;

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

/// A descriptor that is readable once the process is gone. By number: the header of glibc 2.36 is
/// not for C++.
int open_process(pid_t pid) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}

struct Account {
  std::string name;
  uid_t uid;
  gid_t gid;
  bool drop;  // we are root and the server must not be
};

Result<Account> server_account() {
  if (geteuid() != 0) return Account{"", geteuid(), getegid(), false};
  for (const char* name : {"postgres", "nobody"}) {
    passwd entry{};
    passwd* found = nullptr;
    std::array<char, 4096> buffer{};
    if (getpwnam_r(name, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
      return Account{name, entry.pw_uid, entry.pw_gid, true};
    }
  }
  return fail(Errc::not_found,
              "private database: PostgreSQL does not run as root and there is neither a user "
              "postgres nor nobody; hint: run as an ordinary user");
}

// Only calls that are safe between fork and exec.
void become(const Account& account) {
  if (!account.drop) return;
  if (setgroups(1, &account.gid) != 0 || setgid(account.gid) != 0 || setuid(account.uid) != 0) {
    _exit(126);
  }
}

/// Waits for a child or any other process to be gone.
bool wait_gone(const Fd& process, Deadline deadline) {
  pollfd watched{.fd = process.get(), .events = POLLIN, .revents = 0};
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    const int ready =
        poll(&watched, 1, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000)));
    if (ready > 0) return true;
    if (std::chrono::steady_clock::now() >= deadline) return false;
  }
}

struct Command {
  std::vector<std::string> arguments;
  fs::path log;
  fs::path folder;  // working directory
  bool die_with_starter = false;
};

Result<pid_t> spawn(const Command& command, const Account& account) {
  const Fd log(open(command.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!log) {
    return fail(Errc::invalid_input, fmt::format("private database: cannot write {}: {}",
                                                 command.log.string(), strerror(errno)));
  }
  if (account.drop && fchown(log.get(), account.uid, account.gid) != 0) {
    return fail(Errc::invalid_input, fmt::format("private database: cannot hand {} to {}",
                                                 command.log.string(), account.name));
  }
  const Fd nothing(open("/dev/null", O_RDONLY | O_CLOEXEC));
  std::vector<char*> argv;
  for (const auto& argument : command.arguments)
    argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  // No PG* variable of ours may steer the server.
  std::array<const char*, 5> environment{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "TZ=UTC",
                                         nullptr};
  const pid_t starter = getpid();
  const pid_t child = fork();
  if (child < 0)
    return fail(Errc::unavailable, fmt::format("private database: fork: {}", strerror(errno)));
  if (child == 0) {
    setsid();  // the terminal's Ctrl-C is for us, not for the server
    become(account);
    if (command.die_with_starter) {
      prctl(PR_SET_PDEATHSIG, SIGINT);
      if (getppid() != starter) _exit(125);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    if (chdir(command.folder.c_str()) != 0) _exit(124);
    dup2(nothing.get(), STDIN_FILENO);
    dup2(log.get(), STDOUT_FILENO);
    dup2(log.get(), STDERR_FILENO);
    execve(argv[0], argv.data(), const_cast<char* const*>(environment.data()));
    _exit(127);
  }
  return child;
}

std::string end_of(const fs::path& log) {
  std::ifstream in(log);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    if (lines.size() == 6) lines.erase(lines.begin());
    lines.push_back(std::move(line));
  }
  std::string out;
  for (const auto& line : lines) out += (out.empty() ? "" : " | ") + line;
  return out.empty() ? "(its log is empty)" : out;
}

Result<int> finish(pid_t child, Deadline deadline) {
  const Fd process(open_process(child));
  if (!process || !wait_gone(process, deadline)) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    return fail(Errc::timeout, "private database: a program did not finish before the deadline");
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// The first folder on the way to `folder` that the server's user may not enter. Asked as that
/// user.
Result<std::optional<fs::path>> first_closed_folder(const fs::path& folder,
                                                    const Account& account) {
  std::vector<std::string> steps;
  fs::path step;
  for (const auto& part : folder) {
    step /= part;
    steps.push_back(step.string());
  }
  const pid_t child = fork();
  if (child < 0)
    return fail(Errc::unavailable, fmt::format("private database: fork: {}", strerror(errno)));
  if (child == 0) {
    become(account);
    for (std::size_t i = 0; i < steps.size() && i < 120; ++i) {
      if (access(steps[i].c_str(), X_OK) != 0) _exit(static_cast<int>(i) + 1);
    }
    _exit(0);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  const int closed = WIFEXITED(status) ? WEXITSTATUS(status) : 126;
  if (closed == 0) return std::nullopt;
  if (closed > 120)
    return fail(Errc::unavailable, "private database: cannot change to the server's user");
  return steps[static_cast<std::size_t>(closed) - 1];
}

std::string first_line(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

/// The folder with initdb and postgres: that of the version that made `data`, else the newest.
Result<fs::path> server_programs(const fs::path& data) {
  const std::string wanted = first_line(data / "PG_VERSION");
  const auto usable = [](const fs::path& bin) {
    return access((bin / "postgres").c_str(), X_OK) == 0 &&
           access((bin / "initdb").c_str(), X_OK) == 0;
  };
  std::optional<std::pair<int, fs::path>> best;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
    const auto name = entry.path().filename().string();
    int version = 0;
    std::from_chars(name.data(), name.data() + name.size(), version);
    if (version < 14 || !usable(entry.path() / "bin") || (!wanted.empty() && wanted != name))
      continue;
    if (!best || version > best->first) best = {version, entry.path() / "bin"};
  }
  if (best) return best->second;
  const char* path = std::getenv("PATH");
  for (std::string_view rest = path != nullptr ? path : ""; wanted.empty() && !rest.empty();) {
    const auto colon = rest.find(':');
    const fs::path bin = rest.substr(0, colon);
    if (bin.is_absolute() && usable(bin)) return bin;
    rest = colon == std::string_view::npos ? "" : rest.substr(colon + 1);
  }
  return fail(
      Errc::not_found,
      fmt::format(
          "private database: the PostgreSQL{}{} server is not installed; hint: apt-get install "
          "postgresql{}{} (or set DATABASE_URL to a server that runs elsewhere)",
          wanted.empty() ? "" : " ", wanted, wanted.empty() ? "" : "-", wanted));
}

/// Makes (or takes over, if empty) a folder that only the server's user can enter.
Result<void> own_folder(const fs::path& folder, const Account& account) {
  struct stat found{};
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(Errc::invalid_input, fmt::format("private database: cannot make {}: {}",
                                                 folder.string(), strerror(errno)));
  }
  // Not followed: in a folder that others write to, a link may lead anywhere.
  if (lstat(folder.c_str(), &found) != 0 || !S_ISDIR(found.st_mode)) {
    return fail(Errc::invalid_input,
                fmt::format("private database: {} is not a folder", folder.string()));
  }
  if (found.st_uid != account.uid) {
    std::error_code problem;
    const bool ours = found.st_uid == geteuid() && fs::is_empty(folder, problem) && !problem;
    if (!ours || chown(folder.c_str(), account.uid, account.gid) != 0) {
      return fail(Errc::invalid_input, fmt::format("private database: {} belongs to another user; "
                                                   "hint: name a folder that does not exist "
                                                   "yet",
                                                   folder.string()));
    }
  }
  if ((found.st_mode & 0777) != 0700 && chmod(folder.c_str(), 0700) != 0) {
    return fail(Errc::invalid_input,
                fmt::format("private database: cannot close {} to others", folder.string()));
  }
  return {};
}

std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '.' || c == '~') {
      out += c;
    } else {
      out += fmt::format("%{:02X}", byte);
    }
  }
  return out;
}

}  // namespace

struct PrivateCluster::Impl {
  fs::path folder;
  fs::path data;
  fs::path sockets;
  fs::path log;
  Account account;
  Options options;
  std::string url;
  Fd owner_lock;  // held by the owner for its lifetime
  bool owner = false;
  bool child = false;  // the server is a child of this process and must be reaped
  pid_t pid = 0;

  std::string url_of(std::string_view database) const {
    return fmt::format(
        "postgresql:///{}?host={}&port=5432&user=bifrost&sslmode=disable&gssencmode=disable",
        database, percent_encoded(sockets.string()));
  }

  Result<void> prepare(const fs::path& wanted);
  Result<Fd> lock(const char* name, bool wait, Deadline deadline);
  std::optional<pid_t> running() const;
  void forget_dead_server() const;
  Result<void> initialise(const fs::path& bin, Deadline deadline);
  Result<void> launch(const fs::path& bin, Deadline deadline);
  Result<bool> ready(Deadline deadline);
  Result<void> make_database(std::string_view name, Deadline deadline);
  Result<void> stop(Deadline deadline);
};

Result<void> PrivateCluster::Impl::prepare(const fs::path& wanted) {
  std::error_code problem;
  folder = fs::weakly_canonical(fs::absolute(wanted, problem), problem);
  if (folder.empty() || problem) {
    return fail(Errc::invalid_input, "private database: the folder's name cannot be resolved");
  }
  if (folder.string().starts_with("/var/lib/postgresql") ||
      fs::exists(folder / "PG_VERSION", problem)) {
    return fail(Errc::invalid_input,
                fmt::format("private database: {} is a PostgreSQL cluster that is not ours",
                            folder.string()));
  }
  BF_TRY(account, server_account());
  fs::create_directories(folder.parent_path(), problem);
  // The folders on the way are the user's: they are named, never changed.
  BF_TRY(const auto closed, first_closed_folder(folder.parent_path(), account));
  if (closed) {
    return fail(Errc::invalid_input,
                fmt::format("private database: the user {} that runs PostgreSQL cannot enter {}; "
                            "hint: choose a data "
                            "folder elsewhere, for example under /var/tmp",
                            account.drop ? account.name : "(you)", closed->string()));
  }
  BF_CHECK(own_folder(folder, account));
  data = folder / "data";
  log = folder / "postgres.log";
  sockets = folder / "run";
  if (sockets.string().size() + socket_name.size() > longest_socket_path) {
    sockets = fmt::format("/tmp/bifrost-{}-{:016x}", account.uid, fnv1a(folder.string()));
  }
  return own_folder(sockets, account);
}

/// An flock on a file of the folder. No descriptor (and no error) when somebody else holds it and
/// `wait` is false.
Result<Fd> PrivateCluster::Impl::lock(const char* name, bool wait, Deadline deadline) {
  const auto path = folder / name;
  Fd file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file) {
    return fail(Errc::invalid_input, fmt::format("private database: cannot open {}: {}",
                                                 path.string(), strerror(errno)));
  }
  if (account.drop && fchown(file.get(), account.uid, account.gid) != 0) {
    return fail(Errc::invalid_input, "private database: cannot hand a file to the server's user");
  }
  while (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (!wait) return Fd{};
    if (std::chrono::steady_clock::now() >= deadline) {
      return fail(
          Errc::timeout,
          fmt::format("private database: another program is still starting the server in {}",
                      folder.string()));
    }
    poll(nullptr, 0, static_cast<int>(poll_step.count()));
  }
  return file;
}

/// The postmaster of this folder, if it is alive. A pid alone proves nothing: it may have been
/// given to another process.
std::optional<pid_t> PrivateCluster::Impl::running() const {
  const std::string line = first_line(data / "postmaster.pid");
  pid_t found = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), found);
  if (error != std::errc{} || found <= 1) return std::nullopt;
  std::error_code problem;
  const auto where = fs::read_symlink(fmt::format("/proc/{}/cwd", found), problem);
  if (problem || where != data) return std::nullopt;
  // A zombie keeps its entry in /proc but not its cwd, so this one lives.
  return found;
}

/// After a kill -9 the old pid may belong to some other process of the same user, which PostgreSQL
/// would take for a running server. Called only when running() found none.
void PrivateCluster::Impl::forget_dead_server() const {
  const std::string line = first_line(data / "postmaster.pid");
  pid_t found = 0;
  std::from_chars(line.data(), line.data() + line.size(), found);
  if (found <= 1 || kill(found, 0) != 0) return;  // PostgreSQL itself recognises a pid that is gone
  std::error_code ignored;
  fs::remove(data / "postmaster.pid", ignored);
  fs::remove(sockets.string() + std::string(socket_name) + ".lock", ignored);
}

Result<void> PrivateCluster::Impl::initialise(const fs::path& bin, Deadline deadline) {
  // Made beside its place and moved there when whole: a killed initdb leaves nothing that looks
  // like a cluster.
  const auto fresh = folder / "data.new";
  std::error_code problem;
  fs::remove_all(fresh, problem);
  BF_TRY(const auto initdb,
         spawn({{(bin / "initdb").string(), "-D", fresh.string(), "-U", "bifrost", "-A", "trust",
                 "-E", "UTF8", "--locale=C", "--no-instructions"},
                log,
                folder,
                false},
               account));
  BF_TRY(const int status, finish(initdb, deadline));
  if (status == 0) fs::rename(fresh, data, problem);
  if (status != 0 || problem) {
    return fail(Errc::unavailable, fmt::format("private database: initdb failed: {}", end_of(log)));
  }
  return {};
}

Result<bool> PrivateCluster::Impl::ready(Deadline deadline) {
  auto connection = pg::Connection::connect(url_of("postgres"), "bifrost", 30s, deadline);
  if (connection) return true;
  if (connection.error().code != Errc::unavailable) return tl::unexpected{connection.error()};
  return false;
}

Result<void> PrivateCluster::Impl::launch(const fs::path& bin, Deadline deadline) {
  const auto made_by = first_line(data / "PG_VERSION");
  int version = 0;
  std::from_chars(made_by.data(), made_by.data() + made_by.size(), version);
  for (;;) {
    forget_dead_server();
    std::vector<std::string> arguments{(bin / "postgres").string(), "-D", data.string()};
    for (const std::string& setting :
         {std::string("listen_addresses="), "unix_socket_directories=" + sockets.string(),
          std::string("unix_socket_permissions=0700"), std::string("port=5432"),
          std::string("fsync=on"), std::string("jit=off"), std::string("shared_buffers=128MB"),
          std::string(version >= 15 ? "wal_compression=lz4" : "wal_compression=on"),
          std::string("random_page_cost=1.1"), std::string("max_connections=60"),
          std::string("timezone=UTC"), std::string("log_timezone=UTC"),
          std::string("logging_collector=off")}) {
      arguments.insert(arguments.end(), {"-c", setting});
    }
    BF_TRY(pid, spawn({arguments, log, data, options.die_with_starter}, account));
    child = true;
    const Fd process(open_process(pid));
    for (;;) {
      BF_TRY(const bool up, ready(deadline));
      if (up) return {};
      if (wait_gone(process, core::after(poll_step))) break;
      if (std::chrono::steady_clock::now() >= deadline) {
        kill(pid, SIGQUIT);
        BF_CHECK(finish(pid, core::after(5s)));
        child = false;
        return fail(
            Errc::timeout,
            fmt::format("private database: the server was not ready before the deadline: {}",
                        end_of(log)));
      }
    }
    BF_CHECK(finish(pid, deadline));
    child = false;
    // The last backends of a killed server need a moment to notice; nothing else is worth another
    // attempt.
    const auto words = end_of(log);
    if (words.find("still in use") == std::string::npos ||
        std::chrono::steady_clock::now() >= deadline) {
      return fail(Errc::unavailable,
                  fmt::format("private database: the server did not start: {}", words));
    }
    poll(nullptr, 0, static_cast<int>(poll_step.count()));
  }
}

Result<void> PrivateCluster::Impl::make_database(std::string_view name, Deadline deadline) {
  const bool plain =
      !name.empty() && name.size() <= 63 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
      });
  if (!plain)
    return fail(Errc::invalid_input, "private database: a database name is a-z, 0-9 and _");
  BF_TRY(auto connection, pg::Connection::connect(url_of("postgres"), "bifrost", 60s, deadline));
  BF_TRY(const auto found, connection.query("SELECT 1 FROM pg_database WHERE datname = $1",
                                            pg::Params{}.add(name), deadline));
  if (found.size() > 0) return {};
  auto made = connection.run(fmt::format("CREATE DATABASE \"{}\"", name), deadline);
  if (!made && connection.last_sqlstate() != "42P04") return made;
  return {};
}

Result<void> PrivateCluster::Impl::stop(Deadline deadline) {
  if (!owner) return {};
  // Opened first: once the pid is known to be the server's, the descriptor is, whatever becomes of
  // the pid. An unreaped child keeps its pid; a server that was taken over may have ended and its
  // pid be somebody else's.
  const Fd process(open_process(pid));
  const bool living_child = child && waitpid(pid, nullptr, WNOHANG) == 0;
  if (process && (living_child || running() == pid)) {
    if (syscall(SYS_pidfd_send_signal, process.get(), SIGINT, nullptr, 0) != 0 && errno != ESRCH) {
      return fail(Errc::unavailable,
                  fmt::format("private database: cannot stop the server: {}", strerror(errno)));
    }
    if (!wait_gone(process, deadline)) {
      return fail(Errc::timeout, "private database: the server did not stop before the deadline");
    }
    if (living_child) waitpid(pid, nullptr, 0);
  }
  owner = false;
  child = false;
  owner_lock = Fd{};
  return {};
}

Result<PrivateCluster> PrivateCluster::start(const fs::path& folder, Deadline deadline,
                                             Options options) {
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  BF_CHECK(impl->prepare(folder));
  BF_TRY(const Fd starting, impl->lock("starting.lock", true, deadline));
  BF_TRY(impl->owner_lock, impl->lock("owner.lock", false, deadline));
  const bool may_own = static_cast<bool>(impl->owner_lock);
  if (const auto pid = impl->running()) {
    impl->pid = *pid;
    for (;;) {  // it may be recovering
      BF_TRY(const bool up, impl->ready(deadline));
      if (up) break;
      if (std::chrono::steady_clock::now() >= deadline) {
        return fail(Errc::timeout, "private database: the running server does not answer");
      }
      poll(nullptr, 0, static_cast<int>(poll_step.count()));
    }
  } else {
    if (!may_own) {
      return fail(
          Errc::conflict,
          fmt::format("private database: the program that owns {} is stopping or has lost its "
                      "server; hint: end it and try again",
                      impl->folder.string()));
    }
    BF_TRY(const auto bin, server_programs(impl->data));
    if (!fs::exists(impl->data / "PG_VERSION")) BF_CHECK(impl->initialise(bin, deadline));
    BF_CHECK(impl->launch(bin, deadline));
  }
  impl->owner = may_own;
  impl->url = impl->url_of("bifrost");
  PrivateCluster made(std::move(impl));  // from here on a failure stops what was started
  BF_CHECK(made.impl_->make_database("bifrost", deadline));
  return made;
}

PrivateCluster::PrivateCluster(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PrivateCluster::PrivateCluster(PrivateCluster&&) noexcept = default;
PrivateCluster& PrivateCluster::operator=(PrivateCluster&& other) noexcept {
  std::swap(impl_, other.impl_);
  return *this;
}
PrivateCluster::~PrivateCluster() {
  if (impl_) static_cast<void>(impl_->stop(core::after(10s)));
}

const std::string& PrivateCluster::url() const {
  return impl_->url;
}
bool PrivateCluster::owner() const {
  return impl_->owner;
}
bool PrivateCluster::running() const {
  return impl_->running() == impl_->pid;
}
pid_t PrivateCluster::server_pid() const {
  return impl_->pid;
}
Result<void> PrivateCluster::stop(Deadline deadline) {
  return impl_->stop(deadline);
}

Result<std::string> PrivateCluster::create_database(std::string_view name, Deadline deadline) {
  BF_CHECK(impl_->make_database(name, deadline));
  return impl_->url_of(name);
}

}  // namespace bifrost::store
