#include "control/store_options.hpp"

namespace postern::control {

relay::StoreOptions store_options(const Settings& settings) {
  relay::StoreOptions options;
  options.data_dir = settings.data_dir;
  options.postgres.url = settings.database;
  options.postgres.label = settings.cluster.name;
  options.postgres.lease_time = settings.cluster.lease_time;
  options.postgres.retention = settings.retention;
  options.postgres.append_threads = settings.cluster.writers;
  options.postgres.reader_threads = settings.store.readers;
  options.sqlite.open.cache_bytes = settings.store.cache;
  options.sqlite.writer.low_water = {settings.store.low_water_bytes,
                                     settings.store.low_water_percent / 100.0};
  options.sqlite.readers.threads = settings.store.readers;
  return options;
}

}  // namespace postern::control
