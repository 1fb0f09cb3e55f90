#include "controller/spec_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "crd/decode.h"
#include "reconcilers/zone.h"

namespace partition_controller {
namespace {

namespace fs = std::filesystem;

// Far above any policy file; a wrong PATH must not fill the memory.
constexpr std::uintmax_t kMaxBytes = 4'194'304;

bool LooksLikeSpec(const fs::path& path) {
  const std::string name = path.filename().string();
  const std::string extension = path.extension().string();
  return !name.starts_with(".") && (extension == ".yaml" || extension == ".yml" || extension == ".json");
}

std::string Id(const Policy& policy) { return policy.name_space + "/" + policy.name; }

bool SameDatabase(const ConnectionSpec& a, const ConnectionSpec& b) {
  return a.secret_ref == b.secret_ref && a.env == b.env && a.file == b.file;  // whatever the role
}

// What is wrong with `policy` beside the ones before it, if anything.
std::string Clash(const Policy& policy, const std::vector<std::pair<Policy, std::string>>& earlier) {
  for (const auto& [other, file] : earlier) {
    if (Id(other) == Id(policy)) return "policy " + Id(policy) + " is already defined in " + file;
    if (other.table == policy.table && SameDatabase(other.connection, policy.connection)) {
      return "policy " + Id(policy) + " is for table " + policy.table.schema + "." + policy.table.name +
             ", which policy " + Id(other) + " in " + file + " looks after already";
    }
  }
  return "";
}

}  // namespace

SpecListing ListSpecFiles(const std::vector<std::string>& paths) {
  SpecListing listing;
  std::set<std::string> seen;
  const auto add = [&](const std::string& file, const std::string& root) {
    std::error_code error;
    const fs::path canonical = fs::weakly_canonical(file, error);
    if (seen.insert(error ? file : canonical.string()).second) listing.files.push_back({file, root});
  };
  for (const std::string& path : paths) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (status.type() == fs::file_type::not_found) {
      listing.unreadable.push_back({path, "no such file or folder", true});
    } else if (error) {
      listing.unreadable.push_back({path, error.message(), false});
    } else if (status.type() != fs::file_type::directory) {
      add(path, path);
    } else {
      std::vector<std::string> names;
      fs::directory_iterator it(path, error);
      for (; !error && it != fs::directory_iterator(); it.increment(error)) {
        std::error_code ignored;
        if (LooksLikeSpec(it->path()) && !it->is_directory(ignored)) names.push_back(it->path().string());
      }
      if (error) {
        listing.unreadable.push_back({path, error.message(), false});
        continue;
      }
      std::sort(names.begin(), names.end());
      for (const std::string& name : names) add(name, path);
    }
  }
  return listing;
}

SpecFile ReadSpecFile(const std::string& path) {
  SpecFile file{path, {}, {}};
  const auto fail = [&](const std::string& message) {
    file.problems.push_back(Render({path, "", {}, message}, ""));
    return file;
  };
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return fail(error ? error.message() : "not a file");
  const std::uintmax_t size = fs::file_size(path, error);
  if (error) return fail(error.message());
  if (size > kMaxBytes) return fail("larger than 4 MiB");
  std::ifstream stream(path, std::ios::binary);
  std::string text(static_cast<std::size_t>(size), '\0');
  stream.read(text.data(), static_cast<std::streamsize>(size));
  if (!stream && !stream.eof()) return fail("cannot be read");
  text.resize(static_cast<std::size_t>(stream.gcount()));
  Decoded decoded = DecodeYaml(text, path, {[](std::string_view zone) { return KnownZone(zone); }});
  for (const Problem& problem : decoded.problems) file.problems.push_back(Render(problem, text));
  file.policies = std::move(decoded.policies);
  return file;
}

std::string SpecSignature(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return "";
  return std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino) + ":" +
         std::to_string(info.st_size) + ":" + std::to_string(info.st_mtim.tv_sec) + "." +
         std::to_string(info.st_mtim.tv_nsec);
}

SpecSet Combine(const std::vector<SpecFile>& files) {
  SpecSet set;
  std::vector<std::pair<Policy, std::string>> taken;
  for (const SpecFile& file : files) {
    std::vector<std::string> problems = file.problems;
    for (const Policy& policy : file.policies) {
      if (const std::string clash = Clash(policy, taken); !clash.empty()) {
        problems.push_back(Render({file.path, "", {}, clash}, ""));
      } else {
        taken.emplace_back(policy, file.path);
      }
    }
    if (!problems.empty()) ++set.bad_files;
    set.problems.insert(set.problems.end(), problems.begin(), problems.end());
  }
  for (auto& [policy, file] : taken) set.policies.push_back(std::move(policy));
  return set;
}

SpecSet LoadSpecs(const std::vector<std::string>& paths) {
  const SpecListing listing = ListSpecFiles(paths);
  std::vector<SpecFile> files;
  for (const SpecListing::Entry& entry : listing.files) files.push_back(ReadSpecFile(entry.file));
  for (const auto& [path, why, missing] : listing.unreadable) {
    files.push_back({path, {}, {Render({path, "", {}, why}, "")}});
  }
  SpecSet set = Combine(files);
  if (set.policies.empty() && set.problems.empty()) {
    set.bad_files = 1;
    set.problems.push_back("no PartitionPolicy found in " + paths.front() +
                           (paths.size() > 1 ? " and the other paths" : "") +
                           "; expected *.yaml, *.yml or *.json files");
  }
  return set;
}

}  // namespace partition_controller
