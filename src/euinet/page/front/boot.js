// Before anything is drawn: the theme that was chosen, and what to say where modules cannot be loaded.
(function () {
  var root = document.documentElement;
  try {
    var theme = localStorage.getItem("euinet-theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch (error) {
    // storage is switched off: the system's theme it is
  }
  root.dataset.opened = location.protocol === "file:" ? "file" : "served";
})();
