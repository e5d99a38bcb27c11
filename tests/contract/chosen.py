"""The system tests that the contract test runs, and those of their files that it leaves out.

Files that are about a simulator's misbehaviour, about the page, secrets or kills, or that bring simulators of their
own, are not in the list. Neither do tests marked `waits` run: side by side they would share a proxy, and nobody could
say whose request broke a rule."""

FILES = ("test_sync.py", "test_one_change.py", "test_mapping.py", "test_named.py", "test_names.py", "test_instance.py",
         "test_adopt.py", "test_reconcile.py", "test_removal.py", "test_archive.py", "test_approve.py",
         "test_share_pat.py", "test_holds.py", "test_reload.py", "test_cli.py", "test_daemon.py", "test_ctl.py",
         "test_ctl_steer.py")

# {reason: tests of these files}; a name without brackets is a test with all its parameters.
LEFT_OUT = {
    "the proxy reads an answer and writes it anew, and makes a 500 of what it cannot read, a byte order mark included": (
        "test_sync.py::test_other_forms_of_a_good_listing_change_nothing[bom]",
        "test_ctl.py::test_states_of_trouble[503_tf24668]",
        "test_ctl.py::test_states_of_trouble[garbage]",
        "test_ctl_steer.py::test_check_of_every_bad_answer"),
    "Konnect answers what no document allows, which is the test": (
        "test_adopt.py::test_a_service_that_slips_through_between_two_pages",
        "test_names.py::test_a_name_that_somebody_has_leads_to_the_next[409]",
        "test_reconcile.py::test_a_list_that_lies_changes_nothing",
        "test_reconcile.py::test_a_list_that_lies_when_the_cache_is_lost_makes_nothing_twice",
        "test_reconcile.py::test_totals[absent]",
        "test_approve.py::test_an_approval_outlasts_a_restart_and_a_konnect_that_is_away",
        "test_holds.py::test_what_is_held_before_it_was_ever_pushed_is_not_made"),
    "Konnect holds what it would have refused, which is the test": (
        "test_removal.py::test_a_label_is_no_part_of_an_address",),
    "Konnect answers without totals, or refuses with what its document has not, which is the test": (
        "test_reconcile.py::test_a_list_of_mappings_that_lies_makes_none_twice",
        "test_share_pat.py::test_one_that_konnect_does_not_let_go_is_removed_later",),
    "Azure DevOps sends a success that is no listing, which is the test": (
        "test_ctl.py::test_states_of_trouble[html_signin]",
        "test_removal.py::test_a_bin_that_cannot_be_read_proves_nothing[HTML]",
        "test_removal.py::test_a_bin_that_cannot_be_read_proves_nothing[no list]",
        "test_removal.py::test_a_bin_that_cannot_be_read_proves_nothing[an odd element]"),
}
