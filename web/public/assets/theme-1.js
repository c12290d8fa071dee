// Before the first paint, so that the page never flashes in the other theme. A change of this file needs a new number in
// its name: what lies under assets/ is kept by browsers for ever.
(function () {
  var root = document.documentElement;
  try {
    root.dataset.theme = localStorage.getItem("rubin.theme") || "system";
    root.dataset.density = localStorage.getItem("rubin.density") || "compact";
  } catch (refused) {
    root.dataset.theme = "system"; // storage is refused to this page: the system's theme will do
  }
})();
