//! Has memory bring what will be needed soon, without waiting for it. The one place that knows how.
//!
//! Of ten thousand APIs most are in no cache when a call comes for one. A read that finds its line
//! in no cache stops the processor for as long as a hundred lines of code take; asked for early
//! enough, the line is there when it is read. A hint: what it does not reach is read a little later.

/// Has the cache line in which a value begins brought.
#[inline(always)]
pub(crate) fn soon<T>(value: &T) {
    mem_prefetch::prefetch_read_data::<T, 3>(value);
}
