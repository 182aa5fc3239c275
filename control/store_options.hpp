#pragma once
#include "control/settings.hpp"
#include "relay/store/open_store.hpp"

namespace postern::control {

/// The store that the settings ask for.
relay::StoreOptions store_options(const Settings& settings);

}  // namespace postern::control
