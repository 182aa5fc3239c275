#pragma once
#include <string>
#include <vector>

namespace postern {

/// A program that lives as long as its standard input stays open: it is told to end by closing it.
class ChildProcess {
 public:
  explicit ChildProcess(std::vector<std::string> argv);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  std::string read_line();  ///< from its standard output, without the line's end; throws at the end of it

 private:
  int pid_ = -1;
  int to_child_ = -1;
  int from_child_ = -1;
};

}  // namespace postern
