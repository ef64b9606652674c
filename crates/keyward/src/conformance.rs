//! The promises of every store, as tests that a store runs in its own crate.
//!
//! A store passes if it keeps each promise of [`KeyStore`](crate::store::KeyStore) and
//! [`Reports`](crate::store::Reports) that can be observed from outside: it looks up the rows that
//! exist, writes the rules' decisions and nothing else, and its trail is the same to the byte. That
//! acknowledged changes survive is for its own tests to show.
//!
//! [`conformance!`](crate::conformance!) makes one test of each promise. It is given a function
//! that opens a new store, with nothing in it, and waits for the promise:
//!
//! ```
//! use keyward::conformance::Promise;
//! use keyward::memory::MemoryStore;
//!
//! fn check(promise: Promise) {
//!     let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//!     runtime.block_on(promise(&MemoryStore::default()));
//! }
//!
//! # #[cfg(any())]
//! keyward::conformance!(crate::check);
//! ```

mod subject;

#[doc(hidden)]
pub mod sample;

#[doc(hidden)]
pub mod audit;

#[doc(hidden)]
pub mod changes;

#[doc(hidden)]
pub mod clock;

#[doc(hidden)]
pub mod commits;

#[doc(hidden)]
pub mod followers;

#[doc(hidden)]
pub mod keys;

#[doc(hidden)]
pub mod leaks;

#[doc(hidden)]
pub mod lists;

#[doc(hidden)]
pub mod once;

#[doc(hidden)]
pub mod owners;

#[doc(hidden)]
pub mod pages;

#[doc(hidden)]
pub mod reading;

#[doc(hidden)]
pub mod rotation;

#[doc(hidden)]
pub mod tiers;

#[doc(hidden)]
pub mod transfer;

#[doc(hidden)]
pub mod usage;

use std::pin::Pin;

pub use subject::{Error, Store};

/// A promise: it is kept if the future of a new store ends without a panic. It asks for no runtime.
pub type Promise = for<'a> fn(&'a dyn Store) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Makes one test of each promise; see [the module](mod@crate::conformance).
///
/// The path is that of a function that takes a [`Promise`], and is to begin with `crate::`.
#[macro_export]
macro_rules! conformance {
    ($check:path) => {
        $crate::promises! { $check;
            audit {
                each_change_is_one_entry_and_the_chain_holds,
                the_trail_is_the_same_to_the_byte,
                an_entry_says_who_and_from_where,
                an_entry_says_what_was_before_and_after,
                no_entry_holds_a_digest,
                entries_come_in_pages,
                entries_are_found_by_what_they_say,
            }
            changes {
                an_edit_changes_what_it_names_and_nothing_else,
                an_edit_can_take_away,
                what_changes_nothing_counts_up_no_version,
                a_change_of_another_version_is_refused,
                an_edit_to_an_unknown_tier_is_refused,
                a_change_of_no_key_is_refused,
                suspending_and_resuming_are_states,
                revoking_is_final_and_keeps_its_reason,
                revoking_again_changes_nothing,
                a_revoked_key_keeps_its_row_and_its_usage,
                what_is_asked_of_a_closed_store_is_refused,
            }
            clock {
                the_latest_reading_only_moves_forward,
                a_reading_comes_with_a_batch_and_once,
                the_clock_is_taken_for_right_on_record,
                a_start_knows_what_the_one_before_it_was_told,
            }
            commits {
                each_change_says_which_is_the_newest,
                what_is_rejected_writes_nothing,
                an_owner_keeps_its_limits_whether_it_has_keys_or_not,
                a_change_follows_what_its_node_knows,
                changes_that_are_made_together_are_one_after_the_other,
                no_number_is_given_again_that_a_node_knows_of,
                a_key_comes_with_its_owner,
            }
            followers {
                a_snapshot_has_everything_in_order,
                a_snapshot_is_of_one_instant,
                a_snapshot_may_be_dropped_at_any_time,
                followers_are_told_state_and_not_operations,
                followers_go_on_where_they_were,
            }
            keys {
                ids_count_up_from_1_and_issuing_again_makes_another_key,
                all_of_a_key_comes_back,
                a_key_of_no_limit_is_not_one_of_its_tiers_limit,
                a_key_of_an_unknown_tier_is_not_kept,
                a_key_of_a_deleted_tier_is_not_kept,
                a_key_of_a_suspended_owner_is_not_kept,
                an_id_is_not_given_twice_after_an_import,
            }
            leaks {
                what_is_reported_is_kept_until_it_is_forgotten,
                what_is_reported_twice_stays_as_it_was,
                at_most_so_many_are_read,
            }
            lists {
                without_a_filter_all_keys_come_in_the_order_of_their_ids,
                states_follow_the_time_and_the_owner,
                tiers_and_owners_are_matched_whole,
                names_are_found_by_a_part_of_either_case,
                hints_are_found_by_their_beginning,
                a_hint_is_that_of_the_present_secret,
                expiry_is_found_between_now_and_then,
                idle_keys_are_old_and_not_used_since,
                creation_is_found_from_and_before,
                creation_is_found_whatever_the_order_in_which_ids_came,
                names_are_ordered_byte_by_byte,
                never_used_comes_before_and_never_expiring_comes_after_all_others,
                what_changed_is_found_as_it_is_now,
                pages_go_on_where_the_last_one_ended,
            }
            once {
                a_request_issues_one_key,
                a_request_rotates_once,
                an_earlier_request_is_told_whatever_else_speaks_against_it,
                each_actor_has_names_of_its_own,
                a_name_is_forgotten_after_a_day,
                what_changed_nothing_keeps_no_name,
            }
            owners {
                suspending_an_owner_suspends_its_keys_and_no_others,
                resuming_an_owner_restores_those_that_were_not_suspended_themselves,
                a_suspension_counts_up_the_version_of_the_owner_and_of_no_key,
                a_change_is_made_of_a_key_whose_owner_is_as_expected,
                an_owner_counts_its_keys_whatever_becomes_of_them,
                doing_it_again_changes_nothing_and_returns_the_same,
                it_is_one_entry,
                a_key_that_changes_hands_is_judged_by_its_new_owner,
                an_owner_is_told_of_while_it_has_keys_or_is_suspended,
                suspended_owners_come_in_pages_in_order,
                the_limits_of_an_owner_are_kept_and_read,
                an_owner_is_edited_in_the_version_that_is_expected,
            }
            pages {
                pages_together_are_the_whole_list_in_order,
                a_list_of_nothing_ends,
                the_trail_is_paged_by_any_filter,
            }
            reading {
                keys_load_in_pages_lowest_first,
                revoked_keys_load_too,
                a_key_that_is_not_there_is_none,
                digests_find_the_keys_that_have_or_had_them,
                a_secret_that_was_refused_finds_nothing,
                prefixes_come_once_and_in_order,
            }
            rotation {
                a_rotation_gives_another_secret_and_keeps_the_key,
                a_second_rotation_ends_the_grace_of_the_first,
                a_grace_that_is_over_stays_over,
                a_grace_ends_with_the_key,
                an_expired_key_is_given_no_other_secret,
                a_suspended_key_may_be_given_another_secret,
                more_time_for_the_key_is_none_for_a_former_secret,
                a_digest_is_one_secret_of_one_key_whether_present_or_former,
            }
            tiers {
                a_new_store_has_three_tiers,
                tiers_come_in_the_order_in_which_they_were_made,
                a_tier_is_created_and_then_replaced,
                a_tier_is_on_record,
                writing_a_tier_as_it_is_changes_nothing,
                a_tier_that_no_key_has_is_deleted,
                a_tier_that_a_key_has_stays,
                a_tier_that_only_revoked_keys_have_is_deleted_and_they_show_it,
                a_revoked_key_comes_in_whatever_tiers_there_are,
                uses_are_counted,
            }
            transfer {
                all_of_a_copy_comes_back,
                what_was_lived_through_here_comes_out,
                copies_come_out_in_pages_lowest_first,
                a_copy_is_added_once,
                each_copy_is_answered_in_turn,
                what_does_not_fit_is_refused_and_leaves_no_trace,
                of_several_reasons_the_first_keeps_a_key_out,
                the_newest_secrets_are_carried_along,
                trying_adds_nothing_and_says_the_same,
                a_key_of_a_suspended_owner_comes_suspended,
            }
            usage {
                counts_add_up_and_each_outcome_is_kept_apart,
                a_batch_that_comes_again_counts_once,
                writers_are_told_apart,
                usage_comes_from_the_first_hour_to_before_the_last,
                the_latest_rows_come_oldest_first,
                days_begin_at_midnight,
                usage_is_told_apart_by_key,
                the_most_used_come_first,
                the_most_used_are_those_of_the_hours_asked_for,
                last_use_only_moves_forward_and_by_a_minute,
                usage_is_no_change_of_a_key,
                whole_days_before_an_hour_are_forgotten,
                counts_of_a_forgotten_day_are_there_until_the_next_time,
                counts_of_a_day_that_is_over_are_added,
            }
        }
    };
}

/// Makes a module of each list and a test of each promise in it.
#[doc(hidden)]
#[macro_export]
macro_rules! promises {
    ($check:path; $($module:ident { $($promise:ident),+ $(,)? })+) => {
        $(mod $module {
            $(
                #[test]
                fn $promise() {
                    $check(|store| Box::pin($crate::conformance::$module::$promise(store)));
                }
            )+
        })+
    };
}

#[cfg(test)]
mod tests;
