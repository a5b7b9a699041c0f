"""Who a user is: the backend's answer, as far as routes need it."""
