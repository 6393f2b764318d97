// What keyboards and screen readers need beyond what the theme does: what scrolls can be reached, and the buttons of each
// block of code are told apart. The theme makes both while a page is shown, so this looks whenever something was made.
document$.subscribe(() => {
  const mend = () => {
    for (const part of document.querySelectorAll(".md-typeset__scrollwrap, .md-typeset pre > code")) {
      if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
    }
    document.querySelectorAll(".md-code__nav").forEach((buttons, number) => {
      const label = `Block of code ${number + 1}`;
      if (buttons.ariaLabel !== label) buttons.ariaLabel = label;
    });
  };
  mend();
  new MutationObserver(mend).observe(document.querySelector(".md-content"), { childList: true, subtree: true });
  addEventListener("resize", mend);
});
