"""What admins see and do: /v1/admin/…

Each request is audited, reads too (`commonroom.http.gate`): who looked at whom is known. What is said in rooms is
shown in reports alone, as the reporter saw it.
"""
