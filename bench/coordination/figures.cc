#include "bench/coordination/figures.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <thread>

#include "bench/coordination/session.h"

namespace synod::bench {
namespace {

double median(std::vector<double> values) {
  if (values.empty()) {
    return 0;
  }
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::string text(const char* format, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof(buffer), format, value);
  return buffer;
}

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("model name", 0) == 0) {
      return line.substr(line.find(": ") + 2);
    }
  }
  return "unknown cpu";
}

// "ext4 on /dev/vda": of the longest mount point above the directory.
std::string file_system(const std::string& directory) {
  std::ifstream mounts("/proc/self/mounts");
  std::string line;
  std::string best;
  std::string found = "unknown file system";
  while (std::getline(mounts, line)) {
    std::istringstream fields(line);
    std::string device, at, type;
    fields >> device >> at >> type;
    if (directory.rfind(at, 0) == 0 && at.size() >= best.size()) {
      best = at;
      found = type + " on " + device;
    }
  }
  return found;
}

// One 4 KiB block after the other into a file that is filled already, as a log is written.
std::string flush_times(const std::string& directory) {
  constexpr int blocks = 512;
  constexpr std::size_t size = 4096;
  const std::string path = directory + "/flush-probe";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const std::string block(size, 'x');
  Histogram times;
  for (int pass = 0; pass < 2; ++pass) {
    for (int i = 0; i < blocks; ++i) {
      const std::int64_t began = now_nanos();
      if (::pwrite(fd, block.data(), size, static_cast<off_t>(size) * i) < 0) {
        break;
      }
      if (pass == 1) {
        ::fdatasync(fd);
        times.add(now_nanos() - began);
      }
    }
    ::fsync(fd);
  }
  ::close(fd);
  ::unlink(path.c_str());
  return "flush of 4 KiB p50 " + text("%.0f", times.percentile_us(50)) + " us, p99 " +
         text("%.0f", times.percentile_us(99)) + " us, p99.9 " +
         text("%.0f", times.percentile_us(99.9)) + " us";
}

std::string cell(const Series& series) {
  return text("%9.0f", series.rate()) + " (" + text("%.0f", series.worst()) + "-" +
         text("%.0f", series.best()) + ")";
}

}  // namespace

std::string Point::name() const {
  std::string name = to_string(work);
  if (payload_size_bytes >= 1024) {
    name += " " + std::to_string(payload_size_bytes / 1024) + " KiB";
  }
  return name + ", " + std::to_string(sessions) + "x" + std::to_string(outstanding);
}

double Series::rate() const { return median(rates); }
double Series::worst() const {
  return rates.empty() ? 0 : *std::min_element(rates.begin(), rates.end());
}
double Series::best() const {
  return rates.empty() ? 0 : *std::max_element(rates.begin(), rates.end());
}
double Series::cpu() const { return median(cpu_us); }

std::string describe_machine(const std::string& directory) {
  utsname name{};
  ::uname(&name);
  double load[3] = {0, 0, 0};
  ::getloadavg(load, 3);
  return " cpu     " + std::to_string(std::thread::hardware_concurrency()) + " x " + cpu_model() +
         ", load at the start " + text("%.1f", load[0]) + "\n kernel  " + name.sysname + " " +
         name.release + "\n disk    " + file_system(directory) + ", " + flush_times(directory) +
         "\n";
}

void print_head(int servers) {
  std::printf("\n%s\n%-24s %-11s %-28s %6s %8s %6s %8s %8s\n",
              servers == 1 ? "one server" : (std::to_string(servers) + " servers").c_str(),
              "operation, sessions", "system", "ops/s median (worst-best)", "ours x", "cpu us/op",
              "ours x", "p50 us", "p99 us");
}

void print_point(const std::vector<Series>& series) {
  const Series* ours = nullptr;
  for (const Series& one : series) {
    ours = one.kind == Kind::synod ? &one : ours;
  }
  for (const Series& one : series) {
    const bool other = ours != nullptr && &one != ours && one.rate() > 0 && one.cpu() > 0;
    std::printf("%-24s %-11s %-28s %6s %8s %6s %8s %8s%s\n",
                &one == &series.front() ? one.point.name().c_str() : "", to_string(one.kind),
                cell(one).c_str(), other ? text("%.2f", ours->rate() / one.rate()).c_str() : "",
                text("%.2f", one.cpu()).c_str(),
                other ? text("%.2f", ours->cpu() / one.cpu()).c_str() : "",
                text("%.0f", one.latency.percentile_us(50)).c_str(),
                text("%.0f", one.latency.percentile_us(99)).c_str(),
                one.failed > 0 ? "  REPLIES WITH ERRORS" : "");
  }
  std::fflush(stdout);
}

Tsv::Tsv(const std::string& path) {
  if (!path.empty()) {
    file_ = std::fopen(path.c_str(), "we");
  }
  if (file_ != nullptr) {
    std::fputs(
        "servers\toperation\tpayload_bytes\tsessions\toutstanding\tsystem\tops_median\tops_worst\t"
        "ops_best\tcpu_us_per_op\tp50_us\tp99_us\tp999_us\tfailed\n",
        file_);
  }
}

Tsv::~Tsv() {
  if (file_ != nullptr) {
    std::fclose(file_);
  }
}

void Tsv::add(const Series& series) {
  if (file_ == nullptr) {
    return;
  }
  const Point& point = series.point;
  std::fprintf(file_, "%d\t%s\t%d\t%d\t%d\t%s\t%.1f\t%.1f\t%.1f\t%.3f\t%.1f\t%.1f\t%.1f\t%llu\n",
               series.servers, to_string(point.work), point.payload_size_bytes, point.sessions,
               point.outstanding, to_string(series.kind), series.rate(), series.worst(),
               series.best(), series.cpu(), series.latency.percentile_us(50),
               series.latency.percentile_us(99), series.latency.percentile_us(99.9),
               static_cast<unsigned long long>(series.failed));
  std::fflush(file_);
}

}  // namespace synod::bench
