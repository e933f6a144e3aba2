//! What a program without the standard library has to bring: an allocator, and an end.

use alloc::format;
use core::alloc::{GlobalAlloc, Layout};
use core::ffi::{c_int, c_void};
use core::panic::PanicInfo;

#[link(name = "c")]
unsafe extern "C" {
    fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void;
    fn free(memory: *mut c_void);
    fn write(file: c_int, bytes: *const c_void, length: usize) -> isize;
    fn abort() -> !;
}

const STDERR: c_int = 2;

struct OfC;

// SAFETY: memory of `aligned_alloc` is aligned as asked and stays until `free`.
unsafe impl GlobalAlloc for OfC {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: a layout's alignment is a power of two, and its padded size a multiple.
        unsafe { aligned_alloc(layout.align(), layout.pad_to_align().size()).cast() }
    }

    unsafe fn dealloc(&self, memory: *mut u8, _layout: Layout) {
        // SAFETY: `alloc` got it from `aligned_alloc`.
        unsafe { free(memory.cast()) }
    }
}

#[global_allocator]
static ALLOCATOR: OfC = OfC;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let text = format!("{info}\n");
    // SAFETY: the text is as long as that.
    unsafe {
        write(STDERR, text.as_ptr().cast(), text.len());
        abort()
    }
}

// The compiled `core` and `alloc` name what unwinding needs, and nothing here unwinds.
#[link(name = "gcc_s")]
unsafe extern "C" {}

#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
