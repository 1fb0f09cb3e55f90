// A folder for one test, gone when the object is.

#ifndef PARTITION_CONTROLLER_TESTS_SUPPORT_TEMP_FOLDER_H_
#define PARTITION_CONTROLLER_TESTS_SUPPORT_TEMP_FOLDER_H_

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace partition_controller {

class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "pc-test-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

  // Returns the file's path.
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(File(name), std::ios::binary) << text;
    return File(name);
  }
  void Remove(const std::string& name) const { std::filesystem::remove_all(File(name)); }

 private:
  std::string path_;
};

}  // namespace partition_controller

#endif  // PARTITION_CONTROLLER_TESTS_SUPPORT_TEMP_FOLDER_H_
