#pragma once

namespace postern::control {

/// What `postern` ends with; `postern --help` lists them.
enum ExitCode : int {
  kExitOk = 0,
  kExitFailed = 1,       ///< what was asked for could not be done; the message says why
  kExitUsage = 2,        ///< the command line or the settings are wrong
  kExitNotFound = 3,     ///< the operator's commands: no such thing
  kExitUnreachable = 4,  ///< the operator's commands: the relay does not answer, or refuses the key
  kExitStore = 5,        ///< serve: the store broke; nothing more was acknowledged
  kExitForced = 6,       ///< serve: stopped by a second signal, before it had drained
  kExitFault = 70,       ///< a bug
};

}  // namespace postern::control
