// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/private_cluster.hpp"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "pool.hpp"
#include "support.hpp"

namespace bifrost::store {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using core::Errc;
namespace fs = std::filesystem;

constexpr PrivateCluster::Options for_tests{.die_with_starter = true};

std::string ask(const std::string& url, const char* sql) {
  auto connection = ok(pg::Connection::connect(url, "test", 10s, soon()));
  return std::string(ok(connection.query(sql, soon())).text(0, 0));
}

bool alive(pid_t pid) {
  return kill(pid, 0) == 0;
}

TEST(PrivateCluster, ListensOnNothingButASocketThatOthersCannotReach) {
  auto& server = cluster();
  EXPECT_TRUE(server.owner());
  EXPECT_EQ(ask(server.url(), "SELECT current_setting('listen_addresses')"), "");
  EXPECT_EQ(ask(server.url(), "SELECT current_setting('fsync')"), "on");
  EXPECT_EQ(ask(server.url(), "SELECT current_setting('jit')"), "off");
  EXPECT_EQ(ask(server.url(), "SELECT current_database()::text"), "bifrost");
  const auto sockets = ask(server.url(), "SELECT current_setting('unix_socket_directories')");
  struct stat found{};
  ASSERT_EQ(stat(sockets.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0700U);
  struct stat process{};
  ASSERT_EQ(stat(("/proc/" + std::to_string(server.server_pid())).c_str(), &process), 0);
  EXPECT_NE(process.st_uid, 0U);
  EXPECT_EQ(found.st_uid, process.st_uid);
}

TEST(PrivateCluster, ASecondUserAttachesAndStopsNothing) {
  const TemporaryFolder folder;
  auto owner = ok(PrivateCluster::start(folder.path() / "pg", soon(), for_tests));
  {
    auto guest = ok(PrivateCluster::start(folder.path() / "pg", soon(), for_tests));
    EXPECT_FALSE(guest.owner());
    EXPECT_EQ(guest.server_pid(), owner.server_pid());
    EXPECT_EQ(guest.url(), owner.url());
    ok(guest.stop(soon()));
  }
  EXPECT_EQ(ask(owner.url(), "SELECT 'here'::text"), "here");
  ok(owner.stop(soon()));
  EXPECT_FALSE(owner.owner());
  EXPECT_FALSE(alive(owner.server_pid()));
}

TEST(PrivateCluster, WhatWasCommittedIsThereAfterAKillAndTheStaleFilesDoNoHarm) {
  const TemporaryFolder folder;
  auto server = ok(PrivateCluster::start(folder.path() / "pg", soon(), for_tests));
  const auto first = server.server_pid();
  auto connection = ok(pg::Connection::connect(server.url(), "test", 10s, soon()));
  ok(connection.run("CREATE TABLE kept AS SELECT 'kept'::text AS word", soon()));
  kill(first, SIGKILL);
  ok(server.stop(soon()));
  ASSERT_TRUE(fs::exists(folder.path() / "pg" / "data" / "postmaster.pid"));
  auto again = ok(PrivateCluster::start(folder.path() / "pg", soon(), for_tests));
  EXPECT_TRUE(again.owner());
  EXPECT_NE(again.server_pid(), first);
  EXPECT_EQ(ask(again.url(), "SELECT word FROM kept"), "kept");
}

TEST(PrivateCluster, ALockFileThatNamesAnotherLivingProcessIsNotTakenForAServer) {
  const TemporaryFolder folder;
  const auto data = folder.path() / "pg" / "data";
  std::string lines;
  {
    auto server = ok(PrivateCluster::start(folder.path() / "pg", soon(), for_tests));
    std::ifstream in(data / "postmaster.pid");
    std::getline(in, lines);
    lines.assign(std::istreambuf_iterator<char>(in), {});
    kill(server.server_pid(), SIGKILL);
  }
  // The pid was given to somebody else after the crash. Not to a parent of the server: PostgreSQL
  // would see through that.
  struct Somebody {
    pid_t pid = fork();
    Somebody() {
      if (pid == 0) {
        pause();
        _exit(0);
      }
    }
    ~Somebody() {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
  } const somebody;
  std::ofstream(data / "postmaster.pid") << somebody.pid << '\n' << lines;
  auto server = ok(PrivateCluster::start(folder.path() / "pg", soon(), for_tests));
  EXPECT_TRUE(server.owner());
  EXPECT_NE(server.server_pid(), somebody.pid);
  EXPECT_TRUE(alive(somebody.pid));
}

/// Leaves a server running whose owner was killed.
void orphan_a_server(const fs::path& folder) {
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t other = fork();
  if (other == 0) {
    auto server = PrivateCluster::start(folder, soon());
    const char told = server ? 'y' : 'n';
    static_cast<void>(!write(pipe_ends[1], &told, 1));
    pause();
    _exit(0);
  }
  char told = 'n';
  ASSERT_EQ(read(pipe_ends[0], &told, 1), 1);
  close(pipe_ends[0]);
  close(pipe_ends[1]);
  kill(other, SIGKILL);
  waitpid(other, nullptr, 0);
  ASSERT_EQ(told, 'y');
}

TEST(PrivateCluster, AProcessThatIsNoLongerTheServerIsNotSignalled) {
  const TemporaryFolder folder;
  orphan_a_server(folder.path() / "pg");
  auto heir = ok(PrivateCluster::start(folder.path() / "pg", soon()));
  const pid_t server = heir.server_pid();
  const auto lock_file = folder.path() / "pg" / "data" / "postmaster.pid";
  const auto aside = folder.path() / "pg" / "postmaster.pid";
  fs::rename(lock_file, aside);
  ok(heir.stop(soon()));
  fs::rename(aside, lock_file);
  auto next = ok(PrivateCluster::start(folder.path() / "pg", soon()));
  EXPECT_EQ(next.server_pid(), server) << "still the same";
  ok(next.stop(soon()));
}

TEST(PrivateCluster, TheNextProgramOwnsAServerWhoseOwnerWasKilled) {
  const TemporaryFolder folder;
  orphan_a_server(folder.path() / "pg");
  auto heir = ok(PrivateCluster::start(folder.path() / "pg", soon()));
  EXPECT_TRUE(heir.owner());
  ok(heir.stop(soon()));
  EXPECT_FALSE(fs::exists(folder.path() / "pg" / "data" / "postmaster.pid"));
}

TEST(PrivateCluster, AnInterruptedInitialisationIsDoneAgain) {
  const TemporaryFolder folder;
  {
    auto server = ok(PrivateCluster::start(folder.path() / "pg", soon(), for_tests));
  }
  fs::rename(folder.path() / "pg" / "data", folder.path() / "pg" / "data.new");
  fs::remove(folder.path() / "pg" / "data.new" / "PG_VERSION");
  auto server = ok(PrivateCluster::start(folder.path() / "pg", soon(), for_tests));
  EXPECT_EQ(ask(server.url(), "SELECT 'here'::text"), "here");
}

TEST(PrivateCluster, APathTooLongForASocketGetsAShortOne) {
  const TemporaryFolder folder;
  const auto deep = folder.path() / std::string(60, 'a') / std::string(60, 'b');
  auto server = ok(PrivateCluster::start(deep, soon(), for_tests));
  const auto sockets =
      fs::path(ask(server.url(), "SELECT current_setting('unix_socket_directories')"));
  EXPECT_LT(sockets.string().size(), 60U);
  ok(server.stop(soon()));
  fs::remove_all(sockets);
}

TEST(PrivateCluster, AFolderWithBlanksAndSignsInItsNameWorks) {
  const TemporaryFolder folder;
  auto server = ok(PrivateCluster::start(folder.path() / "my data & 100%", soon(), for_tests));
  EXPECT_EQ(ask(server.url(), "SELECT 'here'::text"), "here");
}

TEST(PrivateCluster, AFolderThatIsNotOursIsRefusedAndLeftAlone) {
  const TemporaryFolder folder;
  fs::create_directory(folder.path() / "theirs");
  std::ofstream(folder.path() / "theirs" / "PG_VERSION") << "15\n";
  EXPECT_EQ(PrivateCluster::start(folder.path() / "theirs", soon()).error().code,
            Errc::invalid_input);
  EXPECT_EQ(PrivateCluster::start("/var/lib/postgresql/15/main", soon()).error().code,
            Errc::invalid_input);
  std::ofstream(folder.path() / "file") << "x";
  EXPECT_FALSE(PrivateCluster::start(folder.path() / "file", soon()));
}

TEST(PrivateCluster, AFolderThatTheServersUserCannotReachIsSaidSo) {
  if (geteuid() != 0) GTEST_SKIP() << "only root runs the server as somebody else";
  const TemporaryFolder folder;
  const auto closed = folder.path() / "closed";
  fs::create_directory(closed);
  chmod(closed.c_str(), 0700);
  const auto refused = PrivateCluster::start(closed / "pg", soon());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::invalid_input);
  EXPECT_NE(refused.error().message.find(closed.string()), std::string::npos);
}

TEST(PrivateCluster, DatabaseNamesAreCheckedBeforeTheyReachSql) {
  EXPECT_EQ(cluster().create_database("x\"; DROP DATABASE bifrost; --", soon()).error().code,
            Errc::invalid_input);
  EXPECT_EQ(cluster().create_database("", soon()).error().code, Errc::invalid_input);
}

}  // namespace
}  // namespace bifrost::store
