// Asio's TLS bodies, apart from the rest so that neither file takes long to compile.
#include <boost/asio/ssl/impl/src.hpp>
