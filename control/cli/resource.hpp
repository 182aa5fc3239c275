#pragma once
#include <boost/json.hpp>

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/cli/api_client.hpp"
#include "control/cli/table.hpp"

namespace postern::control {

/// How the text of a flag becomes JSON.
enum class FieldKind {
  text,
  boolean,  ///< --enabled, --enabled=false
  integer,
  texts,        ///< may be given several times
  integers,     ///< the same
  secret_file,  ///< a file (or - for stdin) whose content, without its last line break, joins the texts of
                ///< the field
  text_file,    ///< a file (or - for stdin) whose content is the text
  json,         ///< an object, or @FILE
  rate,         ///< PER_SECOND or PER_SECOND:BURST, "default", or what json takes
  reference,    ///< a name or id of another kind
};

/// One flag of create and update.
struct FieldFlag {
  std::string_view flag;   ///< "--retry-schedule"
  std::string_view field;  ///< "retry_schedule"
  FieldKind kind = FieldKind::text;
  std::string_view help;
  std::string_view refers_to = {};  ///< FieldKind::reference: "agents"
  bool create = true;               ///< create takes it
  bool update = true;               ///< update takes it
  bool required = false;            ///< create needs it
};

/// A collection the command line can make, list, show, change and delete.
struct Resource {
  std::string_view kind;      ///< "sources"
  std::string_view one;       ///< "source"
  std::string_view about;     ///< one line for --help
  std::string_view examples;  ///< for --help
  bool named = true;          ///< create takes a name as its argument
  std::span<const Column> columns;
  std::span<const FieldFlag> fields;
};
std::span<const Resource> resources();

using GivenFlags = std::map<std::string, std::vector<std::string>>;  ///< flag → texts, in order

/// The request body for what was given. Errors name the flag.
Outcome<boost::json::object> body_from(const Resource& resource, const GivenFlags& given, ApiClient& api);

}  // namespace postern::control
