// SPDX-License-Identifier: MIT OR Apache-2.0
//! A heap sort. Not stable: keys should differ. The standard library's sorts are faster from hundreds of items on, and each use of one is
//! five kilobytes of code; what is sorted here is nodes, CPUs and targets, seldom.

/// In place; allocates nothing.
pub(crate) fn by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    // First a heap is made, the greatest on top, then the top goes behind the rest, again and again.
    for top in (0..items.len() / 2).rev() {
        sink(items, top, &key);
    }
    for end in (1..items.len()).rev() {
        items.swap(0, end);
        sink(&mut items[..end], 0, &key);
    }
}

/// Makes a heap of one whose top alone may be too small.
fn sink<T, K: Ord>(items: &mut [T], mut top: usize, key: &impl Fn(&T) -> K) {
    loop {
        let (left, right) = (2 * top + 1, 2 * top + 2);
        let Some(mut greater) = items.get(left).map(|_| left) else { return };
        if items.get(right).is_some_and(|item| key(item) > key(&items[left])) {
            greater = right;
        }
        if key(&items[top]) >= key(&items[greater]) {
            return;
        }
        items.swap(top, greater);
        top = greater;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::by_key;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sorts_as_the_standard_library_does(mut items in proptest::collection::vec(0_u32..50, 0..200)) {
            let mut expected = items.clone();
            expected.sort_unstable_by_key(|item| std::cmp::Reverse(*item));
            by_key(&mut items, |item| std::cmp::Reverse(*item));
            prop_assert_eq!(items, expected);
        }
    }
}
