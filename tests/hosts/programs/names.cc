// Names that only a demangler can read: a namespace, a template, a member function.

namespace mount::tables {

template <typename Value, int Count> class Ring {
public:
    __attribute__((noinline)) void push(Value *where) {
        size_++;
        *where = Count;
    }

private:
    volatile int size_ = 0;
};

__attribute__((noinline)) int fill(Ring<int, 7> &ring, int *where) {
    ring.push(where);
    return 1;
}

}  // namespace mount::tables

int main() {
    mount::tables::Ring<int, 7> ring;
    return mount::tables::fill(ring, nullptr) + 1;
}
