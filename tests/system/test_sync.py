"""The main job: from a listing to the catalog, and only the changes."""


def test_first_sync_then_nothing_then_one_change(world):
    world.repos("contoso", count=5)
    world.instance("contoso")
    assert world.once().code == 0
    assert world.requests() == {"GET /integrations": 1, "GET /integration-instances": 1, "POST /integration-instances": 1,
                                "POST /catalog-services": 5, "POST /resource-mappings": 5}
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {}
    assert len(world.polls("contoso")) == 1
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-1"), default_branch="refs/heads/trunk")
    assert world.once().code == 0
    assert world.requests() == {"PATCH /catalog-services/*": 1}
