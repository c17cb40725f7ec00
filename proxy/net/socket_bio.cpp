#include "proxy/net/socket_bio.h"

#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <new>

namespace vitrine::net {

namespace {

BioSocket& socket_of(BIO* bio) {
    return *static_cast<BioSocket*>(BIO_get_data(bio));
}

bool is_to_be_tried_again() {
    return errno == EAGAIN || errno == EINTR;
}

int read_socket(BIO* bio, char* buffer, std::size_t size, std::size_t* read) {
    BioSocket& socket = socket_of(bio);
    BIO_clear_retry_flags(bio);
    const ssize_t got = ::recv(socket.descriptor, buffer, size, 0);
    socket.drained = got >= 0 ? static_cast<std::size_t>(got) < size : errno == EAGAIN;
    if (got > 0) {
        *read = static_cast<std::size_t>(got);
        return 1;
    }
    if (got == 0) {
        socket.closed = true;
    } else if (is_to_be_tried_again()) {
        BIO_set_retry_read(bio);
    }
    return 0;
}

int write_socket(BIO* bio, const char* buffer, std::size_t size, std::size_t* written) {
    BioSocket& socket = socket_of(bio);
    BIO_clear_retry_flags(bio);
    const ssize_t sent = ::send(socket.descriptor, buffer, size,
                                MSG_NOSIGNAL | (socket.more_follows ? MSG_MORE : 0));
    if (sent > 0) {
        *written = static_cast<std::size_t>(sent);
        return 1;
    }
    if (is_to_be_tried_again()) {
        BIO_set_retry_write(bio);
    }
    return 0;
}

long control(BIO* bio, int command, long, void*) {
    switch (command) {
        case BIO_CTRL_EOF:
            return socket_of(bio).closed ? 1 : 0;
        case BIO_CTRL_FLUSH:  // nothing is kept here
        case BIO_CTRL_DUP:
            return 1;
        default:
            return 0;
    }
}

int begin(BIO* bio) {
    BIO_set_init(bio, 1);
    return 1;
}

struct MethodDeleter {
    void operator()(BIO_METHOD* method) const { BIO_meth_free(method); }
};
using Method = std::unique_ptr<BIO_METHOD, MethodDeleter>;

Method make_method() {
    Method method(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket"));
    if (!method) {
        throw std::bad_alloc();
    }
    BIO_meth_set_create(method.get(), begin);
    BIO_meth_set_read_ex(method.get(), read_socket);
    BIO_meth_set_write_ex(method.get(), write_socket);
    BIO_meth_set_ctrl(method.get(), control);
    return method;
}

}  // namespace

BIO* make_socket_bio(BioSocket& socket) {
    static const Method method = make_method();
    BIO* bio = BIO_new(method.get());
    if (bio == nullptr) {
        throw std::bad_alloc();
    }
    BIO_set_data(bio, &socket);
    return bio;
}

}  // namespace vitrine::net
