from __future__ import annotations

from unsealed.model.notice import Act, Channel, Device, DeviceId, Readings, Wants


def test_at_first_the_first_opening_of_each_recipient_is_told_and_no_mail_is_sent_about_it() -> None:
    wants = Wants()

    assert Readings.FIRST is wants.readings
    assert Act.OPENED in wants.acts
    assert Channel.DIGEST not in wants.channels


def test_what_could_be_used_to_send_to_a_device_is_not_shown() -> None:
    device = Device(
        id=DeviceId(1),
        channel=Channel.PUSH,
        name="Firefox",
        address="https://push.example/s3cret",
        key="k3y",
        auth="a0th",
    )

    assert [] == [secret for secret in ("s3cret", "k3y", "a0th") if secret in repr(device)]
