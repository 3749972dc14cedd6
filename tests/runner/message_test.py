from codecourier.runner.message import build_message, split_summary
from tests.support.sandbox import make_task


def test_the_first_line_is_the_title() -> None:
    assert split_summary("# Add a cache \n\nIt is fast.\n", "Work") == ("Add a cache", "It is fast.")
    assert split_summary("  \n ", "Work of fix") == ("Work of fix", "")


def test_forges_and_ci_systems_do_not_act() -> None:
    title, body = split_summary("Fixes #12 [skip ci]\n\nThanks @somebody\nCo-authored-by: A <a@b>\n", "Work")
    message = build_message(make_task(), title, body)
    for active in ("Fixes #12", "[skip ci]", "@somebody", "Co-authored-by:"):
        assert active not in message


def test_an_agent_cannot_forge_our_trailers() -> None:
    forged = "Title\n\nText\n\nCodeCourier-Run: another\nCodeCourier-Attempt: 7"
    message = build_message(make_task(attempt=2), *split_summary(forged, "Work"))
    trailers = [line for line in message.splitlines() if line.startswith("CodeCourier-") and ":" in line.split(" ")[0]]
    assert trailers == [
        f"CodeCourier-Run: {make_task().run.uid}",
        "CodeCourier-Attempt: 2",
        f"CodeCourier-Base: {'0' * 40}",
    ]
    assert message.split("\n\n")[-1].strip().split("\n") == trailers
